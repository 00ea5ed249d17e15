//! Room for connections. It is never used up by clients that send nothing: when all places are taken, the connection that has waited
//! longest for a request goes, and one address holds a bounded part of them.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// At one time.
    pub all: usize,
    /// Of one address, where addresses tell clients apart.
    pub of_one: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { all: 4096, of_one: 512 }
    }
}

/// Who is connected.
#[derive(Debug)]
pub(super) struct Places {
    room: Room,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    taken: HashMap<u64, Taken>,
    /// Connections without a request, by the turn in which they began to wait.
    waiting: BTreeMap<u64, u64>,
    of_one: HashMap<IpAddr, Of>,
}

/// What one address holds.
#[derive(Debug, Default)]
struct Of {
    taken: usize,
    waiting: BTreeMap<u64, u64>,
}

#[derive(Debug)]
struct Taken {
    /// `None`: many clients have this address.
    address: Option<IpAddr>,
    /// Requests whose answers are not finished.
    requests: usize,
    /// The turn in which it began to wait, when there are none.
    turn: Option<u64>,
    end: Arc<Notify>,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    id: u64,
    places: Arc<Places>,
    /// Told when the connection has to go.
    pub(super) end: Arc<Notify>,
}

/// A request under way: its connection does not go for others.
#[derive(Debug)]
pub(super) struct Busy(Arc<Place>);

/// What counts as one address: networks of IPv6 are given out by the /64.
fn one(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

impl Places {
    pub(super) fn new(room: Room) -> Arc<Self> {
        Arc::new(Self { room, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection; `None`: all are at work, or all that its address may have. `address`: where addresses tell clients apart.
    pub(super) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Arc<Place>> {
        let address = address.map(one);
        let mut state = self.state();
        let of_one = address.and_then(|address| state.of_one.get(&address));
        let leaves = if of_one.is_some_and(|of| of.taken >= self.room.of_one) {
            Some(*of_one?.waiting.first_key_value()?.1)
        } else if state.taken.len() >= self.room.all {
            Some(*state.waiting.first_key_value()?.1)
        } else {
            None
        };
        if let Some(end) = leaves.and_then(|id| state.leave(id)) {
            end.notify_one();
        }
        let (id, end) = (state.turn(), Arc::new(Notify::new()));
        state.taken.insert(id, Taken { address, requests: 0, turn: None, end: Arc::clone(&end) });
        if let Some(address) = address {
            state.of_one.entry(address).or_default().taken += 1;
        }
        state.wait(id);
        Some(Arc::new(Place { id, places: Arc::clone(self), end }))
    }
}

impl State {
    fn turn(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Notes that a connection has no request.
    fn wait(&mut self, id: u64) {
        let turn = self.turn();
        let Some(taken) = self.taken.get_mut(&id) else { return };
        taken.turn = Some(turn);
        self.waiting.insert(turn, id);
        if let Some(of) = taken.address.and_then(|address| self.of_one.get_mut(&address)) {
            of.waiting.insert(turn, id);
        }
    }

    /// Notes that it has one.
    fn work(&mut self, id: u64) {
        let Some(taken) = self.taken.get_mut(&id) else { return };
        taken.requests += 1;
        let Some(turn) = taken.turn.take() else { return };
        self.waiting.remove(&turn);
        if let Some(of) = taken.address.and_then(|address| self.of_one.get_mut(&address)) {
            of.waiting.remove(&turn);
        }
    }

    /// Gives a place back; by what its connection is told, when it was not given back before.
    fn leave(&mut self, id: u64) -> Option<Arc<Notify>> {
        let taken = self.taken.remove(&id)?;
        if let Some(turn) = taken.turn {
            self.waiting.remove(&turn);
        }
        if let Some(address) = taken.address
            && let Some(of) = self.of_one.get_mut(&address)
        {
            of.taken -= 1;
            if let Some(turn) = taken.turn {
                of.waiting.remove(&turn);
            }
            if of.taken == 0 {
                self.of_one.remove(&address);
            }
        }
        Some(taken.end)
    }
}

impl Place {
    /// A request begins.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.places.state().work(self.id);
        Busy(Arc::clone(self))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.places.state();
        let Some(taken) = state.taken.get_mut(&self.0.id) else { return };
        taken.requests -= 1;
        if taken.requests == 0 {
            state.wait(self.0.id);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.state().leave(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    fn has_to_go(place: &Place) -> bool {
        place.end.notified().now_or_never().is_some()
    }

    #[test]
    fn who_waits_longest_goes_and_who_is_answered_stays() {
        let places = Places::new(Room { all: 3, of_one: 3 });
        let first = places.take(address(1)).expect("room");
        let second = places.take(address(2)).expect("room");
        let third = places.take(None).expect("room");
        let answer = first.busy();
        let fourth = places.take(address(4)).expect("the second goes");
        assert!(has_to_go(&second) && !has_to_go(&first) && !has_to_go(&third));
        drop(second);
        drop(answer);
        let busy: Vec<Busy> = [&first, &third, &fourth].into_iter().map(|place| place.busy()).collect();
        assert!(places.take(address(5)).is_none(), "all are at work");
        drop(busy);
        drop(fourth);
        assert!(places.take(address(5)).is_some_and(|_| !has_to_go(&first)));
        drop((first, third));
        let state = places.state();
        assert!(state.taken.is_empty() && state.waiting.is_empty() && state.of_one.is_empty());
    }

    #[test]
    fn one_address_displaces_its_own_connections_only() {
        let places = Places::new(Room { all: 100, of_one: 2 });
        let other = places.take(address(9)).expect("room");
        let flood: Vec<_> = (0..10).map(|_| places.take(address(1)).expect("its own goes")).collect();
        assert!(!has_to_go(&other));
        assert_eq!(flood.iter().filter(|place| has_to_go(place)).count(), 8);
        assert_eq!(places.state().taken.len(), 3);
        let _both = (flood[8].busy(), flood[9].busy());
        assert!(places.take(address(1)).is_none());
        let many: Vec<_> = (0..10).map(|_| places.take(None).expect("a proxy has many clients")).collect();
        assert!(many.iter().all(|place| !has_to_go(place)));
    }

    #[test]
    fn neighbours_in_a_network_of_ipv6_are_one() {
        let of = |text: &str| one(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
