//! What each action does.

use crate::spend::{Acknowledgement, Action, Append, Fence, Spending};
use crate::state::{Changes, Slot, State, Step, Task, Waiting};

/// What the script of the spent slot answers.
enum Spent {
    Older,
    Now,
    Before,
    OnOther,
}

impl Spending {
    /// The state after an action; `None` when it cannot be.
    pub(crate) fn after(&self, mut state: State, action: Action) -> Option<State> {
        match action {
            Action::Send(body, node) => {
                state.sends_left[body.place()] -= 1;
                if !state.nodes[node].stopped {
                    let step = Step::Spending(state.nodes[node].seen);
                    state.add(Task { node, body, step });
                }
            }
            Action::Run(task) => {
                state.take(task);
                match task.step {
                    Step::Spending(floors) => self.spend(&mut state, task, floors),
                    _ => self.append(&mut state, task),
                }
            }
            Action::Count(task) => {
                let (slot, waiting) = task.waits_for()?;
                if replicated(&state, slot) < waiting.replicated {
                    return None;
                }
                state.take(task);
                count(&mut state, task, waiting);
            }
            Action::Answer(task) => {
                state.take(task);
                let told = match task.step {
                    Step::Accepting => &mut state.accepted,
                    _ => &mut state.refused,
                };
                told[task.body.place()] = true;
            }
            Action::GiveUp(task) => {
                state.take(task);
                if task.asks().is_some() {
                    state.orphans.push(task);
                    state.orphans.sort_unstable();
                }
            }
            Action::Save(node) => state.nodes[node].saved = state.nodes[node].seen,
            Action::Crash(node) => {
                state.crashes_left -= 1;
                state.abandon(|task| task.node == node);
                state.nodes[node].seen = state.nodes[node].saved;
                // Whether it must stop is found out again.
                state.nodes[node].stopped = false;
            }
            Action::Halt(node) => state.spent.primary.halted |= state.nodes[node].stopped,
            Action::RunForNobody(task) => {
                let place = state.orphans.iter().position(|one| *one == task)?;
                state.orphans.remove(place);
                match task.step {
                    Step::Spending(floors) => drop(self.run_spend(&mut state, task, floors)),
                    _ => self.run_append(&mut state, task),
                }
            }
            Action::Replicate(Slot::Spent) => state.spent.replicate(),
            Action::Replicate(Slot::Mailbox) => state.mailbox.replicate(),
            Action::FailOver(slot) => {
                state.failovers_left -= 1;
                match slot {
                    Slot::Spent => state.spent.fail_over(),
                    Slot::Mailbox => state.mailbox.fail_over(),
                }
                state.disconnect(slot);
                if !self.outlasting {
                    state.tasks.retain(|task| task.asks() != Some(slot));
                }
            }
        }
        Some(state)
    }

    fn spend(&self, state: &mut State, task: Task, floors: Changes) {
        let spent = self.run_spend(state, task, floors);
        let primary = &state.spent.primary;
        let noted = Changes {
            own: primary.writes_of[task.node],
            total: primary.writes,
        };
        let writes = primary.writes;
        let noted_without_writing = match self.fence {
            Fence::CountsOfWrites => Changes::default(),
            _ => noted,
        };
        let step = match spent {
            Spent::Older => {
                state.nodes[task.node].stopped = true;
                return;
            }
            Spent::Now => Step::Spent(Waiting {
                replicated: self.rests_on(writes, true),
                noted,
            }),
            Spent::Before => Step::Spent(Waiting {
                replicated: self.rests_on(writes, false),
                noted: noted_without_writing,
            }),
            Spent::OnOther => Step::SpentOnOther(Waiting {
                replicated: match self.acknowledgement {
                    Acknowledgement::AcceptancesReplicated => 0,
                    _ => self.rests_on(writes, false),
                },
                noted: noted_without_writing,
            }),
        };
        go_on(state, Task { step, ..task });
    }

    fn append(&self, state: &mut State, task: Task) {
        let before = state.mailbox.primary.writes;
        self.run_append(state, task);
        let writes = state.mailbox.primary.writes;
        let step = Step::Appended(Waiting {
            replicated: self.rests_on(writes, writes > before),
            noted: Changes::default(),
        });
        go_on(state, Task { step, ..task });
    }

    /// How many writes the replica must have before an answer counts.
    const fn rests_on(&self, writes: u8, wrote: bool) -> u8 {
        match self.acknowledgement {
            Acknowledgement::Replicated | Acknowledgement::AcceptancesReplicated => writes,
            Acknowledgement::WritesReplicated if wrote => writes,
            _ => 0,
        }
    }

    fn run_spend(&self, state: &mut State, task: Task, floors: Changes) -> Spent {
        if self.is_older(state, task.node, floors) {
            return Spent::Older;
        }
        match state.spent.primary.value {
            None => {
                let spend = |spent: &mut Option<_>| *spent = Some(task.body);
                state.spent.write(task.node, spend);
                Spent::Now
            }
            Some(kept) if kept == task.body => Spent::Before,
            Some(_) => Spent::OnOther,
        }
    }

    fn run_append(&self, state: &mut State, task: Task) {
        let place = task.body.place();
        let is_there = state.mailbox.primary.value[place] > 0;
        if !is_there || self.append == Append::Blindly {
            let append = |entries: &mut [u8; 2]| entries[place] += 1;
            state.mailbox.write(task.node, append);
            state.shown[place] = true;
        }
    }

    fn is_older(&self, state: &State, node: usize, seen: Changes) -> bool {
        let store = &state.spent.primary;
        match self.fence {
            Fence::None => false,
            Fence::Counts | Fence::CountsOfWrites => {
                let forgot = store.writes_of[node] < seen.own || store.writes < seen.total;
                forgot || store.halted
            }
            Fence::Reign => state.spent.reign > 0,
        }
    }
}

/// A step that may have nothing to wait for.
fn go_on(state: &mut State, task: Task) {
    match task.waits_for() {
        Some((_, waiting)) if waiting.replicated == 0 => count(state, task, waiting),
        _ => state.add(task),
    }
}

fn count(state: &mut State, task: Task, waiting: Waiting) {
    let seen = &mut state.nodes[task.node].seen;
    *seen = seen.or_higher(waiting.noted);
    state.add(task.when_it_counts());
}

const fn replicated(state: &State, slot: Slot) -> u8 {
    match slot {
        Slot::Spent => state.spent.replica.writes,
        Slot::Mailbox => state.mailbox.replica.writes,
    }
}
