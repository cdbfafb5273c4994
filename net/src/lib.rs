//! TCP/IP for guests: interfaces, sockets, DHCP, SLAAC and DNS over smoltcp.
#![cfg_attr(not(test), no_std)]
