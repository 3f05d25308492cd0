//! Who takes part in a run: publishers, subscribers and what connects them.
//!
//! Pure. A topology may be the sum of several.

/// Publishers and subscribers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Topology {
    /// Each with a topic of its own.
    pub publishers: Vec<Source>,
    /// The subscribers.
    pub subscribers: Vec<Reader>,
}

/// A publisher.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Its topic.
    pub topic: String,
    /// How many deliveries each of its messages makes.
    pub audience: u32,
}

/// A subscriber and the consecutive publishers that it hears.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reader {
    /// Its topic filters.
    pub filters: Vec<String>,
    /// The first publisher.
    pub first_publisher: u32,
    /// How many; a reader of none must not get anything.
    pub publishers: u32,
    /// The group with which it shares the messages: each one goes to one member.
    pub group: Option<u32>,
    /// It reads nothing once messages flow, and so counts in no audience.
    pub stalled: bool,
}

impl Topology {
    /// Every subscriber subscribes to every publisher's topic.
    #[must_use]
    pub fn fan_out(root: &str, publishers: u32, subscribers: u32) -> Self {
        let sources = sources(&format!("{root}/fan-out"), publishers, subscribers);
        let reader = Reader {
            filters: sources.iter().map(|source| source.topic.clone()).collect(),
            first_publisher: 0,
            publishers,
            group: None,
            stalled: false,
        };
        Self {
            publishers: sources,
            subscribers: vec![reader; subscribers as usize],
        }
    }

    /// Adds subscribers that are like the last one but stop reading, so that nothing
    /// may be heard from them.
    #[must_use]
    pub fn with_stalled(mut self, count: u32) -> Self {
        if let Some(last) = self.subscribers.last() {
            let stalled = Reader {
                publishers: 0,
                stalled: true,
                ..last.clone()
            };
            self.subscribers
                .extend(std::iter::repeat_n(stalled, count as usize));
        }
        self
    }

    /// Every subscriber hears all publishers through one wildcard.
    #[must_use]
    pub fn fan_in(root: &str, publishers: u32, subscribers: u32) -> Self {
        let reader = Reader {
            filters: vec![format!("{root}/fan-in/+")],
            first_publisher: 0,
            publishers,
            group: None,
            stalled: false,
        };
        Self {
            publishers: sources(&format!("{root}/fan-in"), publishers, subscribers),
            subscribers: vec![reader; subscribers as usize],
        }
    }

    /// Publisher n speaks to subscriber n alone.
    #[must_use]
    pub fn pairs(root: &str, pairs: u32) -> Self {
        let publishers = sources(&format!("{root}/pairs"), pairs, 1);
        let subscribers = (0..).zip(&publishers).map(|(number, source)| Reader {
            filters: vec![source.topic.clone()],
            first_publisher: number,
            publishers: 1,
            group: None,
            stalled: false,
        });
        Self {
            subscribers: subscribers.collect(),
            publishers,
        }
    }

    /// Each publisher's messages go to one member of a group.
    #[must_use]
    pub fn shared(root: &str, publishers: u32, members: u32) -> Self {
        let reader = Reader {
            filters: vec![format!("$share/bench/{root}/shared/+")],
            first_publisher: 0,
            publishers,
            group: Some(0),
            stalled: false,
        };
        Self {
            publishers: sources(&format!("{root}/shared"), publishers, 1),
            subscribers: vec![reader; members as usize],
        }
    }

    /// Every subscriber hears all publishers through one wildcard of its own
    /// form, among `filters` wildcards of bystanders that nearly match.
    #[must_use]
    pub fn wildcard(root: &str, publishers: u32, subscribers: u32, filters: u32) -> Self {
        let top = format!("{root}/wildcard");
        let mut publishers_of = sources(&top, publishers, subscribers);
        for source in &mut publishers_of {
            source.topic.push_str("/sensor/value");
        }
        let matching = (0..subscribers).map(|number| Reader {
            filters: vec![match number % 3 {
                0 => format!("{top}/+/sensor/value"),
                1 => format!("{top}/#"),
                _ => format!("{top}/+/+/value"),
            }],
            first_publisher: 0,
            publishers,
            group: None,
            stalled: false,
        });
        let all: Vec<u32> = (0..filters).collect();
        let each = FILTERS_PER_BYSTANDER.max(all.len().div_ceil(BYSTANDERS_MAX));
        let bystanders = all.chunks(each).map(|numbers| Reader {
            filters: numbers.iter().map(|n| near_miss(&top, *n)).collect(),
            first_publisher: 0,
            publishers: 0,
            group: None,
            stalled: false,
        });
        Self {
            subscribers: matching.chain(bystanders).collect(),
            publishers: publishers_of,
        }
    }

    /// Adds another topology, whose topics must be others.
    pub fn add(&mut self, other: Self) {
        let publishers = u32::try_from(self.publishers.len()).expect("checked in the plan");
        let groups = self.subscribers.iter().filter_map(|reader| reader.group);
        let groups = groups.max().map_or(0, |last| last + 1);
        self.publishers.extend(other.publishers);
        self.subscribers
            .extend(other.subscribers.into_iter().map(|mut reader| {
                reader.first_publisher += publishers;
                reader.group = reader.group.map(|number| number + groups);
                reader
            }));
    }
}

/// Filters of one bystander, while there are few: a hundred connections hold the
/// hundred thousand of the preset.
const FILTERS_PER_BYSTANDER: usize = 1000;

/// So many hold all filters, however many there are.
const BYSTANDERS_MAX: usize = 100;

/// A wildcard that a walk must follow for a while before it fails.
fn near_miss(top: &str, number: u32) -> String {
    match number % 3 {
        0 => format!("{top}/+/sensor/{number}"),
        1 => format!("{top}/other-{number}/#"),
        _ => format!("{top}/+/other-{number}/+"),
    }
}

fn sources(top: &str, count: u32, audience: u32) -> Vec<Source> {
    let source = |number| Source {
        topic: format!("{top}/{number}"),
        audience,
    };
    (0..count).map(source).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmq::protocol::TopicFilter;

    /// Deliveries of one message of each publisher, counted with the filters.
    fn deliveries(topology: &Topology) -> Vec<u32> {
        let heard = |topic: &str| {
            let mut groups = std::collections::BTreeSet::new();
            let matching = topology.subscribers.iter().filter(|reader| {
                let matches = |filter: &String| {
                    let filter = TopicFilter::parse(filter).expect("it is a filter");
                    filter.bare().matches(topic)
                };
                !reader.stalled
                    && reader.filters.iter().any(matches)
                    && reader.group.is_none_or(|group| groups.insert(group))
            });
            u32::try_from(matching.count()).expect("a test is small")
        };
        let topics = topology
            .publishers
            .iter()
            .map(|source| heard(&source.topic));
        topics.collect()
    }

    #[test]
    fn filters_match_as_many_subscribers_as_the_audience_says() {
        let mut sum = Topology::fan_out("b", 2, 3);
        for part in [
            Topology::fan_in("b", 3, 2),
            Topology::pairs("b", 3),
            Topology::shared("b", 2, 4),
            Topology::shared("b2", 2, 4),
            Topology::wildcard("b", 2, 3, 2500),
            Topology::fan_out("b3", 1, 2).with_stalled(3),
        ] {
            sum.add(part);
        }
        let audiences: Vec<u32> = sum.publishers.iter().map(|s| s.audience).collect();
        assert_eq!(audiences, deliveries(&sum));
        assert_eq!(audiences, [3, 3, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 3, 3, 2]);
        let filters: usize = sum.subscribers.iter().map(|r| r.filters.len()).sum();
        assert!(filters > 2500);
    }
}
