//! The rules by name. Tests take one away, and the model has to find a lost write.

/// One rule of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A voter cuts its link to the primary before it reads its position. Otherwise it could
    /// acknowledge more after the vote, which the candidate does not have.
    Fence,
    /// A voter votes for nobody that has less of the stream.
    Rank,
    /// An election needs V votes.
    Quorum,
    /// What a primary without a term writes does not make it ahead of others.
    FrozenPosition,
    /// A member that has restarted is a witness until a term holder confirms its data.
    RestartedMembersDoNotVote,
    /// An election needs voters that have kept the data of the latest configuration.
    WitnessesHaveNoData,
    /// A promise survives a restart.
    PersistedPromise,
    /// A configuration survives a restart.
    PersistedConfiguration,
    /// A configuration is in force only once all its replicas have it on disk.
    ConfigurationIsHeld,
    /// While a configuration is proposed, only replicas that are in it and in the one before count.
    JointConfigurations,
    /// A primary without a term serves no replica.
    ClosedServesNobody,
    /// Data that are no part of the primary's stream are replaced only by a term holder to whom the
    /// member has promised.
    Admission,
    /// A confirmation counts only for the link on which it was asked for.
    GrantBoundToLink,
    /// A member whose data were replaced is a witness until they are confirmed.
    ReplacedDataDoNotVote,
    /// A replica confirms only once it has everything that the primary had when it asked.
    GrantNeedsAllData,
    /// A member that has promised a higher ballot confirms and releases nothing in a lower term.
    PromiseBinds,
    /// A member hears only members that go by the same list.
    SameList,
    /// A new node joins only once the replicas of the configuration go by the list with it.
    ConfirmedByList,
    /// Of two lists the one that was confirmed in the later term counts.
    ConfirmedListCounts,
    /// What the old node has confirmed does not count for the new one.
    OldNodeIsForgotten,
}
