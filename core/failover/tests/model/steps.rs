//! What may happen next to one server.

use durable_failover::{Action, Members};

use crate::world::{Bounds, Step, World};

impl Bounds {
    /// Whether PSYNC changes anything: it is answered, or the replica is asked for its admission.
    fn may_connect(&self, world: &World, me: usize) -> bool {
        let primary = usize::from(world.servers[me].follows);
        let asked = world.servers[me]
            .knows_position
            .then(|| world.servers[me].position());
        let own = world.servers[primary].streams();
        match world.servers[primary].member.serves(asked, &own) {
            Ok(()) => true,
            Err(actions) => actions.iter().any(|action| match *action {
                Action::Send(to, message) => !self.is_on_its_way(world, primary, to, message),
                _ => true,
            }),
        }
    }

    /// What may happen to one server by itself.
    pub fn own_steps(&self, world: &World, me: usize, steps: &mut Vec<Step>) {
        let server = &world.servers[me];
        if !server.is_up {
            return;
        }
        if server.is_member && self.exchanges > 0 {
            self.exchange_steps(world, me, steps);
        }
        let may_stand = server.member.promise().counter < self.ballots && server.member.is_voter();
        if server.is_primary(me) {
            if world.writes < self.writes {
                steps.push(Step::Write(me));
            }
            for &id in server.replicas.keys() {
                let place = self.place(world, me, id.into());
                let asked = place.and_then(|place| {
                    let challenge = server.member.challenge(place, server.position())?;
                    Some((place, challenge))
                });
                if asked.is_some_and(|(to, asked)| !self.is_on_its_way(world, me, to, asked)) {
                    steps.push(Step::Challenge(me, id.into()));
                }
            }
            if world.configurations < self.configurations
                && server.member.may_configure(Members::NONE).is_some()
            {
                steps.push(Step::Configure(me));
            }
            if may_stand && server.member.term().is_none() {
                steps.push(Step::Stand(me));
            }
        } else {
            let primary = &world.servers[usize::from(server.follows)];
            let primary_is_there = primary.is_up && primary.is_primary(server.follows.into());
            match server.link {
                Some(link) if primary_is_there => {
                    let seen = primary.replicas.get(&u8::try_from(me).expect("few"));
                    if let Some(seen) = seen.filter(|seen| seen.link == link) {
                        let length = u8::try_from(server.log.len()).expect("short");
                        if server.is_loading {
                            steps.push(Step::Loaded(me));
                        } else {
                            if server.log.len() < primary.log.len() {
                                steps.push(Step::Replicate(me));
                            }
                            let is_new = !world.acknowledgements.contains(&(link, length));
                            if length > seen.acknowledged && is_new {
                                steps.push(Step::Acknowledge(me));
                            }
                        }
                    }
                }
                None if primary_is_there
                    && world.links < self.links
                    && self.may_connect(world, me) =>
                {
                    steps.push(Step::Connect(me, true));
                    steps.push(Step::Connect(me, false));
                }
                _ => {}
            }
            if server.link.is_some() && world.cuts < self.cuts {
                steps.push(Step::Cut(me));
            }
            if may_stand && !server.is_loading {
                steps.push(Step::Stand(me));
            }
            if server.force {
                steps.push(Step::Promoted(me));
            }
            if world.unasked < self.unasked && !server.is_loading && server.is_member {
                steps.push(Step::Unasked(me));
            }
        }
        if server.writing.is_some() {
            steps.push(Step::Persisted(me));
        }
        for (other, candidate) in world.servers.iter().enumerate() {
            if other != me && candidate.is_primary(other) && candidate.epoch > server.epoch {
                steps.push(Step::Follow(me, other));
            }
        }
        if world.crashes < self.crashes {
            steps.push(Step::Crash(me));
        }
        if world.restarts < self.restarts {
            steps.push(Step::Restart(me, 0));
            if !server.log.is_empty() {
                steps.push(Step::Restart(me, server.log.len()));
            }
            if server.log.len() > 1 {
                steps.push(Step::Restart(me, server.log.len() - 1));
            }
        }
    }
}
