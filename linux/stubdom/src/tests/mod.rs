mod command;
mod json;
mod model;
mod qmp;
