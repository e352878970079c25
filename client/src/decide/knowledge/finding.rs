//! What the replies of a round have shown. It is collected without a lock, and noted under one lock
//! at the end of the round.

use crate::decide::cache::Asked;
use crate::decide::node::Node;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Finding {
    /// The node could not be reached, or did not answer in time.
    Down(Node),
    /// The node has answered.
    Up(Node),
    /// The node has executed a command of a key, or knows which node does.
    Serves(Node),
    /// The slot belongs to `owner`: the node `instead_of` answered `MOVED`, or, without one,
    /// `owner` has executed a command of the slot unexpectedly.
    Owner {
        slot: u16,
        owner: Node,
        instead_of: Option<Node>,
        asked: Asked,
    },
    /// The node answered `CLUSTERDOWN` to a command of this slot.
    ClusterDown { slot: u16, node: Node },
}
