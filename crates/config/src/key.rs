//! The shape of one config.

/// Type of a config's value, with Kafka's wire code for DescribeConfigs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigType {
    /// `true` or `false`.
    Boolean = 1,
    /// Any text.
    String = 2,
    /// 32-bit integer.
    Int = 3,
    /// 16-bit integer.
    Short = 4,
    /// 64-bit integer.
    Long = 5,
    /// 64-bit floating point number.
    Double = 6,
    /// Comma-separated texts.
    List = 7,
    /// Name of a Java class; kept, never loaded.
    Class = 8,
    /// A secret; never shown.
    Password = 9,
}

impl ConfigType {
    /// Kafka's name, as in `Not a number of type INT`.
    pub fn name(self) -> &'static str {
        match self {
            ConfigType::Boolean => "BOOLEAN",
            ConfigType::String => "STRING",
            ConfigType::Int => "INT",
            ConfigType::Short => "SHORT",
            ConfigType::Long => "LONG",
            ConfigType::Double => "DOUBLE",
            ConfigType::List => "LIST",
            ConfigType::Class => "CLASS",
            ConfigType::Password => "PASSWORD",
        }
    }

    /// The code of this type in a DescribeConfigs response.
    pub fn code(self) -> i8 {
        self as i8
    }
}

/// What holds when nobody sets a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    /// This text, parsed like any other value.
    Value(&'static str),
    /// No value.
    Null,
    /// Computed from the cluster or the topic, by the rule in words.
    Derived(&'static str),
}

/// Which values a config accepts beyond what its type says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Check {
    /// Every value of the type.
    Any,
    /// Numbers from `min` to `max`, both included.
    Range {
        /// Smallest accepted value.
        min: f64,
        /// Largest accepted value; infinite when there is none.
        max: f64,
    },
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these texts in any case.
    OneOfIgnoreCase(&'static [&'static str]),
    /// A list without duplicates or empty entries; of these entries only, unless there are none.
    List {
        /// Accepted entries; empty accepts every entry.
        allowed: &'static [&'static str],
        /// Whether the list itself may be empty.
        empty_ok: bool,
    },
    /// A text that is not empty.
    NonEmpty,
    /// -1, or 1 to 9.
    GzipLevel,
    /// `*`, or a list of `partition:broker`.
    ThrottledReplicas,
    /// `earliest`, `latest`, or `by_duration:` and an ISO 8601 duration.
    OffsetReset,
}

/// How much a config matters to who runs a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// Look at it before going into production.
    High,
    /// Now and then worth a change.
    Medium,
    /// Rarely changed.
    Low,
    /// For tests; accepted, but neither documented nor described.
    Internal,
}

/// How a config is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateMode {
    /// In the file or on the command line, with a restart.
    ReadOnly,
    /// At runtime for one broker.
    PerBroker,
    /// At runtime for one broker or for all.
    ClusterWide,
    /// At runtime for one topic, group or subscription.
    PerResource,
}

/// Whether a config does something yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Works as documented.
    Implemented,
    /// Checked and kept, so that Kafka's files and tools work; changes nothing yet.
    Accepted,
}

/// How a config differs from Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Differs {
    /// Kafka's default is another one.
    Default {
        /// Kafka's default.
        kafka: &'static str,
        /// Why ours is not.
        reason: &'static str,
    },
    /// Kafka has no such config.
    Ours,
}

/// One config: a row of the catalog.
#[derive(Debug, Clone, Copy)]
pub struct ConfigKey {
    /// Kafka's name.
    pub name: &'static str,
    /// Type of the value.
    pub kind: ConfigType,
    /// What holds when nobody sets it.
    pub default: DefaultValue,
    /// Which values are accepted.
    pub check: Check,
    /// How much it matters.
    pub importance: Importance,
    /// How it is changed.
    pub update: UpdateMode,
    /// Whether it does something yet.
    pub effect: Effect,
    /// One sentence.
    pub doc: &'static str,
    /// Where it is not Kafka's.
    pub differs: Option<Differs>,
}

impl ConfigKey {
    /// Whether the value must never be shown.
    pub fn is_sensitive(&self) -> bool {
        self.kind == ConfigType::Password
    }

    /// Whether the config is for tests only and hidden from DescribeConfigs.
    pub fn is_internal(&self) -> bool {
        self.importance == Importance::Internal
    }

    /// Whether a running broker takes a new value.
    pub fn is_dynamic(&self) -> bool {
        self.update != UpdateMode::ReadOnly
    }
}
