//! The client against a small broker, on simulated sockets and a paused clock.

mod admin;
mod broker;
mod connection;
mod consumer;
mod group_broker;
mod producer;
mod share_broker;
mod share_consumer;
mod simple_producer;
mod subscriptions;
