//! Entry points for fuzz targets.

use alloc::rc::Rc;

use xen_sys::io::xs_wire::{XS_READ, XS_TRANSACTION_START, XS_WATCH};

use crate::connection::Connection;
use crate::wire::Message;

/// Feeds what a hostile xenstored may send to a connection with calls and a watch under way, in chunks whose size the
/// first byte says. Nothing may panic, and memory stays bounded.
pub fn reply(data: &[u8]) {
    let Some((size, data)) = data.split_first() else { return };
    let mut connection = Connection::default();
    let token = connection.add_watch("watched");
    let mut ids = [0; 4];
    for (index, id) in ids.iter_mut().enumerate() {
        let kind = if index == 0 { XS_WATCH } else { XS_READ };
        *id = connection.queue(kind, 0, &[b"path\0"]).expect("a short request on a new connection");
        while let Some(len) = connection.to_send().map(<[u8]>::len) {
            connection.sent(len);
        }
    }
    connection.forget(ids[3]);
    let key = connection.sessions.open(Rc::new(|| {})).expect("the first session");
    let requests: [(u32, &[u8]); 3] =
        [(XS_WATCH, b"session\0token\0"), (XS_TRANSACTION_START, b"\0"), (XS_READ, b"path\0")];
    for (kind, payload) in requests {
        let message = Message { kind, req_id: 1, tx_id: 0, payload: payload.to_vec() };
        connection.submit_for_session(key, &message);
        while let Some(len) = connection.to_send().map(<[u8]>::len) {
            connection.sent(len);
        }
    }
    for chunk in data.chunks(usize::from(*size).max(1)) {
        connection.accept(chunk);
        for id in &ids[..2] {
            let _ = connection.take_reply(*id);
        }
        let _ = connection.take_event(token);
    }
    while connection.sessions.take(key).is_some() {}
    connection.close_session(key);
}
