use super::city::{self, CLOSED, GRID_1, GRID_2};
use super::{post, send};
use axum::body::{Body, Bytes};
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tower::ServiceExt;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn ndjson_is_answered_line_by_line_and_a_bad_line_does_not_end_it() {
    let router = city::router().await;
    let body = "{\"id\":\"a\",\"position\":[122.105,30.005]}\n\n{\"position\":[122.105,30.01]}\r\n{\"id\":7,\"position\":[1,2]}\nnonsense\n\
        {\"id\":8,\"position\":[1,200]}\n{\"position\":[1,2],\"crs\":\"wgs84\"}\n{\"id\":9,\"position\":[122.105,30.015]}";
    let answer = post(&router, "/api/v1/locate?crs=wgs84", "application/x-ndjson", body).await;
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let lines = lines(&answer.text());
    assert_eq!(lines[0], json!({ "id": "a", "grid": GRID_1, "on_border": false }));
    assert_eq!(lines[1], json!({ "grid": GRID_1, "on_border": true }));
    assert_eq!(lines[2], json!({ "id": 7, "grid": null, "on_border": false }));
    let fault = |at: usize| (lines[at]["line"].as_u64().unwrap(), lines[at]["error"]["code"].as_str().unwrap());
    assert_eq!([fault(3), fault(4), fault(5)], [(5, "bad_json"), (6, "out_of_range"), (7, "bad_json")]);
    assert_eq!(lines[6], json!({ "id": 9, "grid": GRID_2, "on_border": false }));
    assert_eq!(lines.len(), 7);
}

#[tokio::test]
async fn an_id_is_given_back_digit_by_digit() {
    let router = city::router().await;
    for id in ["123456789012345678901234", "1.10", "\"a\\u4e1c\"", "{\"a\": [1]}"] {
        let body = format!("{{\"id\":{id},\"position\":[122.105,30.005]}}");
        let answer = post(&router, "/api/v1/locate?crs=wgs84", "application/x-ndjson", body).await;
        assert_eq!(answer.text(), format!("{{\"id\":{id},\"grid\":\"{GRID_1}\",\"on_border\":false}}\n"));
    }
}

#[tokio::test]
async fn a_compressed_body_is_refused_instead_of_misread() {
    let router = city::router().await;
    for media_type in ["application/json", "application/x-ndjson", "text/csv"] {
        let request =
            Request::post("/api/v1/locate?crs=wgs84").header("content-type", media_type).header("content-encoding", "gzip");
        send(&router, request.body(Body::from("{}")).unwrap()).await.problem(415, "unsupported_media_type");
    }
}

#[tokio::test]
async fn csv_keeps_its_columns_and_gets_two_more() {
    let router = city::router().await;
    let body = "\u{feff}id,\"Lat\",lon,note\r\n1,30.005,122.105,\"a, \"\"b\"\"\nc\"\r\n2,x,122.1,\n3,30.015,122.105,5\" pipe\n4,30,\n5,95,1,\n\n6,0,0,z";
    let answer = post(&router, "/api/v1/locate?crs=wgs84", "text/csv", body).await;
    let expected = format!(
        "id,\"Lat\",lon,note,grid,error\n1,30.005,122.105,\"a, \"\"b\"\"\nc\",{GRID_1},\n2,x,122.1,,,\"bad_point: lat is not a number\"\n\
         3,30.015,122.105,5\" pipe,{GRID_2},\n4,30,,,,\"bad_csv: the record has 3 fields, the header 4\"\n\
         5,95,1,,,\"out_of_range: lat: position [1, 95] is out of range: longitude in [-180, 180], latitude in [-90, 90]; the axes look swapped, longitude comes first\"\n\
         6,0,0,z,,outside_coverage\n"
    );
    assert_eq!(answer.text(), expected);
}

#[tokio::test]
async fn semicolons_and_usual_names_are_understood_and_an_open_quote_is_told() {
    let router = city::router().await;
    let body = "经度;纬度;a\n122.105;30.005;\"x;\ny\"\n1;2;\n122.105;30.015;\"z\n";
    let answer = post(&router, "/api/v1/locate?crs=wgs84", "text/csv", body).await.text();
    let expected = format!("经度;纬度;a;grid;error\n122.105;30.005;\"x;\ny\";{GRID_1};\n1;2;;;outside_coverage\n");
    let rest = answer.strip_prefix(&expected).unwrap_or_else(|| panic!("{answer}"));
    assert!(rest.starts_with(";;;;\"line 4: bad_csv: a quote opens here and is never closed"), "{rest}");
}

#[tokio::test]
async fn a_csv_in_gbk_passes_through_unchanged() {
    let router = city::router().await;
    let mut body = b"lon,lat,name\n122.105,30.005,".to_vec();
    body.extend_from_slice(&[0xb6, 0xab, 0xb8, 0xdb, b'\n']); // 东港 in GBK
    let answer = post(&router, "/api/v1/locate?crs=wgs84&epoch=1", "text/csv", body).await;
    let mut expected = b"lon,lat,name,grid,error\n122.105,30.005,".to_vec();
    expected.extend_from_slice(&[0xb6, 0xab, 0xb8, 0xdb]);
    expected.extend_from_slice(format!(",{CLOSED},\n").as_bytes());
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn a_csv_without_usable_columns_is_refused_before_anything_is_answered() {
    let router = city::router().await;
    for (body, why) in [
        ("", "empty"),
        ("length,width\n1,2\n", "no lon"),
        ("lon,lat,lon\n1,2,3\n", "lon twice"),
        ("lon,lat,grid\n1,2,3\n", "grid taken"),
    ] {
        post(&router, "/api/v1/locate?crs=wgs84", "text/csv", body).await.problem(400, "bad_csv");
        let _ = why;
    }
    post(&router, "/api/v1/locate", "text/csv", "lon,lat\n1,2\n").await.problem(400, "crs_required");
    post(&router, "/api/v1/locate", "application/x-ndjson", "").await.problem(400, "crs_required");
}

#[tokio::test]
async fn pieces_may_be_cut_anywhere() {
    let router = city::router().await;
    let line = "{\"id\":\"é\",\"position\":[122.105,30.005]}\n";
    let whole = line.repeat(50).into_bytes();
    for size in [1, 3, 7, 64, 1000] {
        let pieces: Vec<Result<Bytes, Infallible>> = whole.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        let answer = post(&router, "/api/v1/locate?crs=wgs84", "application/x-ndjson", body).await;
        let lines = lines(&answer.text());
        assert!(lines.len() == 50 && lines.iter().all(|line| line["grid"] == GRID_1), "{size}");
    }
}

#[tokio::test]
async fn a_line_without_end_is_cut_off() {
    let router = city::router().await;
    let body = format!("{{\"position\":[122.105,30.005]}}\n{}", "x".repeat(3 << 20));
    let answer = post(&router, "/api/v1/locate?crs=wgs84", "application/x-ndjson", body).await;
    let lines = lines(&answer.text());
    assert_eq!((lines.len(), &lines[1]["error"]["code"], &lines[1]["line"]), (2, &json!("body_too_large"), &json!(2)));
}

#[tokio::test]
async fn a_body_that_breaks_off_says_so_behind_what_was_answered() {
    let router = city::router().await;
    let pieces: [Result<Bytes, std::io::Error>; 2] =
        [Ok(Bytes::from_static(b"{\"position\":[122.105,30.005]}\n{\"pos")), Err(std::io::Error::other("reset"))];
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let answer = post(&router, "/api/v1/locate?crs=wgs84", "application/x-ndjson", body).await;
    let lines = lines(&answer.text());
    assert_eq!((&lines[0]["grid"], &lines[1]["error"]["code"]), (&json!(GRID_1), &json!("body_unreadable")));
}

#[tokio::test]
async fn nothing_more_is_read_while_the_answer_waits_to_be_taken() {
    let router = city::router().await;
    let read = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&read);
    let line = "{\"position\":[122.105,30.005]}\n".repeat(100);
    let pieces = (0..10_000).map(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Infallible>(Bytes::from(line.clone()))
    });
    let request = Request::post("/api/v1/locate?crs=wgs84").header("content-type", "application/x-ndjson");
    let response = router.oneshot(request.body(Body::from_stream(futures_util::stream::iter(pieces))).unwrap()).await.unwrap();
    let mut body = response.into_body();
    for _ in 0..5 {
        body.frame().await.unwrap().unwrap();
    }
    assert!(read.load(Ordering::Relaxed) <= 6, "{read:?} pieces were read for 5 answers");
}

#[tokio::test]
async fn a_stream_may_have_no_host_header_but_not_a_foreign_one() {
    let router = city::router().await;
    let request = Request::post("/api/v1/locate?crs=wgs84").header("content-type", "text/csv").header("host", "evil.example");
    send(&router, request.body(Body::from("lon,lat\n")).unwrap()).await.problem(421, "foreign_host");
}
