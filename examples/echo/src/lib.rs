//! Example guest: echo.
#![cfg_attr(not(test), no_std)]
