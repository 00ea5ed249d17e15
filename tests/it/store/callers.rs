//! What every store promises of callers: tokens, sessions, and the audit.

use super::Bed;
use super::world::*;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use wangge::domain::audit::{Action, Deed, Verifier};
use wangge::domain::scope::{Role, Scope};
use wangge::domain::secret::Digest;
use wangge::store::callers::{Bearer, SessionRecord, TokenRecord};

fn after(minutes: i64) -> Timestamp {
    now() + SignedDuration::from_mins(minutes)
}

fn token(name: &str) -> TokenRecord {
    TokenRecord {
        id: 0,
        hash: Digest::of(name.as_bytes()),
        name: name.to_owned(),
        roles: vec![Role::Viewer, Role::Operator],
        scope: Scope::within([code("330902"), code("330903001")]),
        screen: (name == "hall").then(|| "hall-1".to_owned()),
        made_at: now(),
        made_by: "admin".to_owned(),
        ends_at: (name != "hall").then(|| after(60)),
        revoked_at: None,
    }
}

pub(super) async fn tokens_come_back_whole_and_are_revoked_once(bed: Bed) {
    let mut wanted = Vec::new();
    for name in ["hall", "officer 7"] {
        let id = bed.store.token_add(token(name)).await.unwrap();
        wanted.push(TokenRecord { id, ..token(name) });
    }
    assert!(wanted[0].id > 0 && wanted[1].id > wanted[0].id);
    assert_eq!(bed.store.tokens().await.unwrap(), wanted);
    assert!(bed.store.token_revoke(wanted[1].id, after(1)).await.unwrap());
    assert!(bed.store.token_revoke(wanted[1].id, after(2)).await.unwrap(), "it was before, and stays so");
    assert!(!bed.store.token_revoke(77, after(2)).await.unwrap());
    wanted[1].revoked_at = Some(after(1));
    assert_eq!(bed.store.tokens().await.unwrap(), wanted);
    let bed = bed.reopened().await;
    assert_eq!(bed.store.tokens().await.unwrap(), wanted);
    // Keys are not given twice, and everything is allowed to see everything.
    let all = TokenRecord { scope: Scope::All, ..token("third") };
    let id = bed.store.token_add(all.clone()).await.unwrap();
    assert!(id > wanted[1].id);
    assert_eq!(bed.store.tokens().await.unwrap()[2], TokenRecord { id, ..all });
    bed.sound().await;
}

pub(super) async fn sessions_are_written_over_and_end(bed: Bed) {
    let session = |name: &str| SessionRecord {
        hash: Digest::of(name.as_bytes()),
        bearer: Bearer {
            listed: false,
            id: name.to_owned(),
            name: Some("王".to_owned()),
            roles: vec![Role::Officer],
            scope: Scope::All,
            screen: None,
        },
        token: None,
        begun_at: now(),
        seen_at: now(),
        ends_at: after(720),
    };
    let sorted = |mut sessions: Vec<SessionRecord>| {
        sessions.sort_by(|one, other| one.bearer.id.cmp(&other.bearer.id));
        sessions
    };
    for name in ["a", "b", "c"] {
        bed.store.session_add(session(name)).await.unwrap();
    }
    let seen = SessionRecord { seen_at: after(5), ..session("b") };
    let nobody = Digest::of(b"nobody");
    // Whoever was ended elsewhere does not come back by being used here; and nobody is seen earlier than they were.
    let used = vec![(seen.hash, after(5)), (session("c").hash, after(-5)), (nobody, after(5))];
    bed.store.sessions_write(used, vec![session("a").hash, nobody]).await.unwrap();
    assert_eq!(sorted(bed.store.sessions().await.unwrap()), [seen.clone(), session("c")]);
    let bed = bed.reopened().await;
    assert_eq!(sorted(bed.store.sessions().await.unwrap()), [seen, session("c")]);
    bed.sound().await;
}

pub(super) async fn the_audit_is_one_chain_that_loses_only_its_beginning(bed: Bed) {
    let deed = |minutes: i64, action: Action| Deed {
        at: after(minutes),
        actor: "officer 7".to_owned(),
        address: Some("10.0.0.7".to_owned()),
        action,
        object: "/api/v1/grids/330902001001001".to_owned(),
        detail: json!({ "why": "试", "n": minutes }),
    };
    assert_eq!(bed.store.audit_begins_after().await.unwrap().0, 0);
    let (first, _) = bed.store.audit_append((0..5).map(|n| deed(n, Action::Denied)).collect()).await.unwrap();
    let (last, hash) = bed.store.audit_append(vec![deed(5, Action::LogIn)]).await.unwrap();
    assert_eq!((first, last), (5, 6));
    let rows = bed.store.audit_after(0, 100).await.unwrap();
    let deeds: Vec<Deed> = rows.iter().map(|row| row.deed.clone()).collect();
    let wanted: Vec<Deed> = (0..5).map(|n| deed(n, Action::Denied)).chain([deed(5, Action::LogIn)]).collect();
    assert_eq!(deeds, wanted);
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    let verified = |begins, rows: &[wangge::domain::audit::AuditRow]| {
        let mut verifier = Verifier::new(begins);
        rows.iter().try_for_each(|row| verifier.next(row)).map(|()| verifier.last())
    };
    assert_eq!(verified(bed.store.audit_begins_after().await.unwrap(), &rows).unwrap(), (6, hash));
    assert_eq!(bed.store.audit_newest(after(3)).await.unwrap(), Some(after(2)));
    assert_eq!(bed.store.audit_newest(after(0)).await.unwrap(), None);
    assert_eq!(bed.store.audit_after(4, 1).await.unwrap(), rows[4..5]);
    // One that says something else, one that is missing, two that changed places.
    let mut other = rows.clone();
    other[2].deed.actor = "officer 8".to_owned();
    assert!(verified((0, bed.store.audit_begins_after().await.unwrap().1), &other).is_err());
    for gone in 0..5 {
        let mut fewer = rows.clone();
        fewer.remove(gone);
        assert!(verified((0, bed.store.audit_begins_after().await.unwrap().1), &fewer).is_err(), "without row {gone}");
    }
    let mut swapped = rows.clone();
    swapped.swap(1, 2);
    assert!(verified((0, bed.store.audit_begins_after().await.unwrap().1), &swapped).is_err());

    assert_eq!(bed.store.audit_tidy(after(3), deed(9, Action::Tidied)).await.unwrap(), 3);
    let bed = bed.reopened().await;
    let kept = bed.store.audit_after(0, 100).await.unwrap();
    assert_eq!(kept.iter().map(|row| row.number).collect::<Vec<_>>(), [4, 5, 6, 7]);
    assert_eq!(kept[..3], rows[3..], "what is kept is as it was");
    assert_eq!(kept[3].deed.detail["through"], 3, "it says what was cut off");
    let begins = bed.store.audit_begins_after().await.unwrap();
    assert_eq!(begins, (3, rows[2].hash));
    assert_eq!(verified(begins, &kept).unwrap().0, 7);
    bed.sound().await;
}

pub(super) async fn what_is_known_of_a_source_is_kept_and_is_no_change(bed: Bed) {
    let store = &bed.store;
    assert_eq!(store.source_states().await.unwrap(), vec![]);
    assert_eq!(store.source_take("lamps").await.unwrap(), Some(json!(null)), "nobody knows anything of it");
    let known = json!({ "rows": 7, "problem": "表 is gone" });
    store.source_note("lamps", known.clone()).await.unwrap();
    store.source_note("a", json!({ "rows": 1 })).await.unwrap();
    store.source_note("a", json!({ "rows": 2 })).await.unwrap();
    assert_eq!(store.source_take("lamps").await.unwrap(), Some(known.clone()));
    assert_eq!(store.source_take("lamps").await.unwrap(), Some(known.clone()), "it is this server's own");
    assert_eq!(store.revision().await.unwrap().0, 0);
    let bed = bed.reopened().await;
    let wanted = vec![("a".to_owned(), json!({ "rows": 2 })), ("lamps".to_owned(), known)];
    assert_eq!(bed.store.source_states().await.unwrap(), wanted);
    bed.sound().await;
}
