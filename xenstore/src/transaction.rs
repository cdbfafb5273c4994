//! Transactions: done again on a conflict, aborted when they are not ended.

use core::ops::Deref;

use xen::{Platform, SharedMemory};
use xen_sys::io::xs_wire::{XS_TRANSACTION_END, XS_TRANSACTION_START};

use crate::connection::parse_number;
use crate::{Error, Tree, XenStore};

/// Times that a transaction is tried while others get in its way.
const TRIES: usize = if cfg!(miri) { 8 } else { 64 };

/// XenStore as one transaction sees it; dropped without its end, it is aborted.
pub struct Transaction<P: Platform, M: SharedMemory> {
    tree: Tree<P, M>,
    ended: bool,
}

impl<P: Platform, M: SharedMemory> XenStore<P, M> {
    /// Runs `body` in a transaction, and again if others changed meanwhile what it saw. What it writes takes effect at
    /// once if it returns `Ok`, and not at all if it returns an error.
    pub fn transaction<T, E: From<Error>>(
        &self,
        mut body: impl FnMut(&Transaction<P, M>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut tries = TRIES;
        loop {
            let mut transaction = self.begin()?;
            let value = body(&transaction)?;
            tries -= 1;
            match transaction.commit() {
                Ok(()) => return Ok(value),
                Err(error) if error.is_conflict() && tries > 0 => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn begin(&self) -> Result<Transaction<P, M>, Error> {
        let payload = self.call(XS_TRANSACTION_START, &[b"\0"])?;
        let tx_id = parse_number(&payload).filter(|id| *id != 0).ok_or_else(|| Error::Malformed {
            what: "a transaction's number",
            value: alloc::string::String::from_utf8_lossy(&payload[..payload.len().min(40)]).into_owned(),
        })?;
        Ok(Transaction { tree: Tree { shared: self.tree().shared.clone(), tx_id }, ended: false })
    }
}

impl<P: Platform, M: SharedMemory> Transaction<P, M> {
    fn commit(&mut self) -> Result<(), Error> {
        self.ended = true;
        self.tree.call(XS_TRANSACTION_END, &[b"T\0"]).map(drop)
    }
}

impl<P: Platform, M: SharedMemory> Deref for Transaction<P, M> {
    type Target = Tree<P, M>;
    fn deref(&self) -> &Tree<P, M> {
        &self.tree
    }
}

impl<P: Platform, M: SharedMemory> Drop for Transaction<P, M> {
    fn drop(&mut self) {
        if !self.ended
            && let Ok(abort) = self.tree.submit(XS_TRANSACTION_END, &[b"F\0"])
        {
            abort.detach();
        }
    }
}
