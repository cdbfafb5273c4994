use crate::qmp::{Client, Error, News, disk_label, rights};

const GREETING: &[u8] =
    b"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22}}, \"capabilities\": [\"oob\"]}}\r\n";

/// A client that has said hello.
fn ready() -> Client<u8> {
    let mut client = Client::default();
    let hello = client.received(GREETING, |_| panic!("no news")).expect("fine").expect("a hello");
    assert_eq!(hello.line, b"{\"execute\":\"qmp_capabilities\"}\r\n");
    assert_eq!(client.received(b"{\"return\": {}}\r\n", |_| panic!("no news")), Ok(None));
    client
}

#[test]
fn descriptors_are_handed_over_one_at_a_time() {
    let mut client = Client::default();
    client.add_descriptor(7, Some(1), "minios-save").expect("room");
    client.add_descriptor(8, None, &disk_label(5632)).expect("room");
    assert_eq!(client.to_send(), None, "QEMU has not said hello");
    let mut news = Vec::new();
    // In pieces, with events between.
    let mut all = GREETING.to_vec();
    all.extend(b"{\"timestamp\": {\"seconds\": 1}, \"event\": \"RESUME\"}\r\n{\"return\": {}}\r\n");
    for chunk in all.chunks(5) {
        client.received(chunk, |told| news.push(told)).expect("fine");
    }
    let first = client.to_send().expect("ready");
    assert_eq!(first.along, Some(7));
    assert_eq!(
        first.line,
        b"{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":1,\"opaque\":\"minios-save\"}}\r\n"
    );
    assert_eq!(client.to_send(), None, "one at a time");
    client
        .received(b"{\"return\": {\"fdset-id\": 1, \"fd\": 23}}\r\n", |told| news.push(told))
        .expect("fine");
    let second = client.to_send().expect("ready");
    assert_eq!(second.line, b"{\"execute\":\"add-fd\",\"arguments\":{\"opaque\":\"stub-devid:5632\"}}\r\n");
    let error = b"{\"error\": {\"class\": \"GenericError\", \"desc\": \"No file descriptor supplied via SCM_RIGHTS\"}}\r\n";
    client.received(error, |told| news.push(told)).expect("fine");
    let refused = News::Refused(8, "\"No file descriptor supplied via SCM_RIGHTS\"".into());
    assert_eq!(news, [News::Taken(7, Some(1)), refused]);
}

#[test]
fn what_qemu_should_not_say_ends_the_client() {
    for lines in ["{\"return\": {}}\r\n", "hello\n", "[1]\n", "{}\n"] {
        let ended = Client::<u8>::default().received(lines.as_bytes(), |_| ());
        assert!(matches!(ended, Err(Error::Unexpected(_))), "{lines}");
    }
    let mut client = ready();
    assert!(client.received(b"{\"return\": {}}\r\n", |_| ()).is_err(), "nobody asked");
    let endless = vec![b'x'; 20 << 10];
    assert!(ready().received(&endless, |_| ()).is_err());
}

#[test]
fn there_is_an_end_to_what_waits() {
    let mut client = ready();
    let count = (0..).take_while(|_| client.add_descriptor(0, None, "x").is_ok()).count();
    assert_eq!(count, 64);
    assert_eq!(
        client.add_descriptor(0, None, "x").unwrap_err().to_string(),
        "QEMU's monitor has 64 descriptors to take"
    );
}

#[test]
fn descriptors_go_along_as_a_control_message() {
    assert_eq!(rights(&[9]), [20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(rights(&[1, 2]).len(), 24);
}
