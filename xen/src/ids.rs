//! Newtypes for Xen's kinds of numbers.

use core::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name($inner);

        impl $name {
            /// Wraps the number.
            pub const fn new(raw: $inner) -> Self {
                Self(raw)
            }
            /// The number, as hypercalls and XenStore keys carry it.
            pub const fn raw(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A domain's number (`domid_t`).
    DomId(u16)
}
id! {
    /// An event channel of this domain (`evtchn_port_t`).
    Port(u32)
}
id! {
    /// A grant reference of this domain (`grant_ref_t`).
    GrantRef(u32)
}

impl DomId {
    /// The control domain.
    pub const DOM0: Self = Self(0);
}
