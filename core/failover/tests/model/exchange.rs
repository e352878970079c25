//! A member is exchanged for a spare server. Each server goes by its own list of members: the spare
//! one may be nobody to one of them, and a member to another.

use durable_failover::{Ballot, Kept, Member, MemberId, Membership, Message, Rule, Version};

use crate::world::{Bounds, Step, World};

/// A message on its way: from, to, the sender's list, what.
pub type Sent = (usize, usize, Version, Message);

fn member(index: usize) -> MemberId {
    MemberId(u8::try_from(index).expect("few"))
}

impl Bounds {
    /// The index of the server that is no member at first.
    fn spare(&self) -> usize {
        self.group.members().into()
    }

    /// The place that `viewer` takes a server to be in.
    pub fn place(&self, world: &World, viewer: usize, node: usize) -> Option<MemberId> {
        let replaced = world.servers[viewer].replaced;
        if node == self.spare() {
            return replaced;
        }
        Some(member(node)).filter(|&place| Some(place) != replaced)
    }

    /// The server that `viewer` takes to be in a place.
    pub fn node(&self, world: &World, viewer: usize, place: MemberId) -> usize {
        if world.servers[viewer].replaced == Some(place) {
            self.spare()
        } else {
            place.0.into()
        }
    }

    pub fn send(&self, world: &mut World, me: usize, to: MemberId, message: Message) {
        let to = self.node(world, me, to);
        let list = world.servers[me].member.membership().version;
        world.network.insert((me, to, list, message));
    }

    pub fn is_on_its_way(&self, world: &World, me: usize, to: MemberId, message: Message) -> bool {
        let to = self.node(world, me, to);
        let list = world.servers[me].member.membership().version;
        world.network.contains(&(me, to, list, message))
    }

    pub fn exchange_steps(&self, world: &World, me: usize, steps: &mut Vec<Step>) {
        let server = &world.servers[me];
        let member = &server.member;
        let list = member.membership();
        let told = Message::Change {
            list,
            confirmed_in: member.list_term(),
        };
        for place in member.others() {
            let other = &world.servers[self.node(world, me, place)].member;
            let is_news = other.membership().version != list.version
                && other.prefers(list.version, member.list_term());
            if is_news && !self.is_on_its_way(world, me, place, told) {
                steps.push(Step::Tell(me, place));
            }
        }
        let Some(term) = member.term() else { return };
        if world.exchanges < self.exchanges && self.group.votes() > 1 {
            for place in member.others() {
                let mut left = member.counting();
                left.remove(place);
                let is_enough = left.count() >= usize::from(self.group.acknowledgements());
                let has_next = member.membership().version.next(term).is_some();
                if is_enough && has_next && server.replaced.is_none() {
                    steps.push(Step::Exchange(me, place));
                }
            }
        }
        if let Some((place, message)) = member.may_join() {
            let is_new = !world.servers[self.spare()].is_member;
            if is_new && !self.is_on_its_way(world, me, place, message) {
                steps.push(Step::AskToJoin(me));
            }
        }
    }

    pub fn begin_exchange(&self, world: &mut World, me: usize, place: MemberId) -> Option<()> {
        world.exchanges += 1;
        let server = &mut world.servers[me];
        let version = server.member.membership().version;
        let list = Membership {
            version: version.next(server.member.term()?)?,
            joining: Some(place),
        };
        server.replaced = Some(place);
        let actions = server.member.change(list, [place].into_iter().collect());
        self.act(world, me, actions);
        Some(())
    }

    /// What every message goes through. Returns the place of the sender, if the message counts.
    pub fn hears(&self, world: &mut World, sent: Sent) -> Option<MemberId> {
        let (from, to, list, message) = sent;
        let own = world.servers[to].member.membership();
        match message {
            Message::Join { term, list } => {
                self.joins(world, to, term, list);
                return None;
            }
            _ if !world.servers[to].is_member => return None,
            Message::Change { list, confirmed_in } => {
                self.told(world, (from, to), list, confirmed_in);
                return None;
            }
            _ => {}
        }
        let is_same = list == own.version || self.lacks(Rule::SameList);
        self.place(world, to, from).filter(|_| is_same)
    }

    /// Who is no member by the told list goes on as if it had not heard: that is worse than if it
    /// left.
    fn told(
        &self,
        world: &mut World,
        (from, to): (usize, usize),
        list: Membership,
        confirmed_in: Ballot,
    ) {
        let leaves = to == self.spare() && list.joining.is_none();
        if self.place(world, to, from).is_none() || leaves {
            return;
        }
        let server = &mut world.servers[to];
        let is_other = list.version != server.member.membership().version;
        let is_old = list.joining == Some(member(to));
        if is_other && !is_old && server.member.prefers(list.version, confirmed_in) {
            let changed = [server.replaced, list.joining].into_iter().flatten();
            let changed = changed
                .filter(|_| server.replaced != list.joining)
                .collect();
            server.replaced = list.joining;
            let actions = server.member.change(list, changed);
            self.act(world, to, actions);
        }
    }

    fn joins(&self, world: &mut World, to: usize, term: Ballot, list: Membership) {
        let server = &mut world.servers[to];
        let Some(place) = list.joining.filter(|_| !server.is_member) else {
            return;
        };
        let new = Member::restarted(place, self.group, Kept::joining(term, list), server.start());
        server.member = new.without(&self.without);
        server.is_member = true;
        server.replaced = Some(place);
    }
}
