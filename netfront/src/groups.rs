//! The multicast groups whose frames are wanted, and which of them the back end has been told of.

use alloc::vec::Vec;

use crate::extra::Membership;

/// Groups at most: as many as Linux's back end remembers for a device.
const MAX_GROUPS: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
struct Group {
    address: [u8; 6],
    /// How often it was joined and not left.
    members: u32,
    told: bool,
}

#[derive(Default)]
pub(crate) struct Groups(Vec<Group>);

impl Groups {
    /// One more member. What is no group's address, and a group too many, is left out.
    pub fn join(&mut self, address: [u8; 6]) {
        if let Some(group) = self.0.iter_mut().find(|group| group.address == address) {
            group.members = group.members.saturating_add(1);
        } else if address[0] & 1 == 1 && self.0.len() < MAX_GROUPS && self.0.try_reserve(1).is_ok() {
            self.0.push(Group { address, members: 1, told: false });
        }
    }

    /// One member less.
    pub fn leave(&mut self, address: [u8; 6]) {
        if let Some(group) = self.0.iter_mut().find(|group| group.address == address) {
            group.members = group.members.saturating_sub(1);
        }
    }

    /// A new back end knows none.
    pub fn forget(&mut self) {
        self.0.retain(|group| group.members > 0);
        self.0.iter_mut().for_each(|group| group.told = false);
    }

    /// Tells of all that changed, until `tell` says that there is no room.
    pub fn tell(&mut self, mut tell: impl FnMut(Membership, [u8; 6]) -> bool) {
        self.0.retain_mut(|group| {
            let wanted = group.members > 0;
            if wanted != group.told {
                let membership = if wanted { Membership::Join } else { Membership::Leave };
                if tell(membership, group.address) {
                    group.told = wanted;
                }
            }
            wanted || group.told
        });
    }
}
