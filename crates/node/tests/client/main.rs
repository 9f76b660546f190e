//! Our client against a whole node: transactions in both versions, groups in both protocols.

mod groups;
mod kit;
mod patterns;
mod transactions;
