//! Resources that configs are set for.

use ottla_types::NodeId;

/// Type of a resource, with Kafka's wire code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum ResourceType {
    /// A topic.
    Topic = 2,
    /// A broker, or with an empty name all of them.
    Broker = 4,
    /// A client metrics subscription.
    ClientMetrics = 16,
    /// A group.
    Group = 32,
}

impl ResourceType {
    /// The code in messages and records.
    pub fn code(self) -> i8 {
        self as i8
    }

    /// The type for a code; `None` for unknown ones and for broker loggers (8), whose levels are no configs.
    pub fn from_code(code: i8) -> Option<ResourceType> {
        match code {
            2 => Some(ResourceType::Topic),
            4 => Some(ResourceType::Broker),
            16 => Some(ResourceType::ClientMetrics),
            32 => Some(ResourceType::Group),
            _ => None,
        }
    }
}

/// A resource that configs are set for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigResource {
    /// What it is.
    pub resource_type: ResourceType,
    /// Which one; for brokers the id as text, or nothing for all brokers.
    pub name: String,
}

impl ConfigResource {
    /// All brokers.
    pub const DEFAULT_BROKER: ConfigResource =
        ConfigResource { resource_type: ResourceType::Broker, name: String::new() };

    /// A topic.
    pub fn topic(name: &str) -> ConfigResource {
        ConfigResource { resource_type: ResourceType::Topic, name: name.to_string() }
    }

    /// One broker.
    pub fn broker(id: NodeId) -> ConfigResource {
        ConfigResource { resource_type: ResourceType::Broker, name: id.to_string() }
    }
}
