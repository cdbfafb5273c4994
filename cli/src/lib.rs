//! The minios command: xl.cfg from TOML, and image post-processing.
