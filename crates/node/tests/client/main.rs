//! Our client against a whole node: transactions in both versions, groups in both protocols.
#![allow(clippy::disallowed_methods)]

mod groups;
mod kit;
mod patterns;
mod transactions;
