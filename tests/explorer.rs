//! `blockjob sim view`: the page in a file, and the server that answers for it.

#[path = "explorer/client.rs"]
mod client;
#[path = "explorer/file.rs"]
mod file;
#[path = "explorer/server.rs"]
mod server;
