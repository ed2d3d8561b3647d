//! Histories: events at given times, and the actions and states that must follow. No processes, no
//! clock, no waiting.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::exit::Exit;
use super::super::plan::{CommandLine, HealthCheck, InstanceSpec, Question, Readiness, RestartLimit};
use super::{Action, Event, Id, Machine, Note, Pace, State};
use crate::settings::{Probe, RestartPolicy, StopSignal};

const SECOND: Duration = Duration::from_secs(1);

fn program(name: &str, depends_on: &[&str]) -> InstanceSpec {
    InstanceSpec {
        name: name.to_owned(),
        program: name.to_owned(),
        command: CommandLine::Words(vec![name.to_owned()]),
        cwd: PathBuf::from("/"),
        env: Vec::new(),
        restart: RestartPolicy::Always,
        restart_limit: RestartLimit { before_ready: 2, after_ready: 3 },
        stop_signal: StopSignal::Term,
        stop_timeout: 10 * SECOND,
        depends_on: depends_on.iter().map(ToString::to_string).collect(),
        ready: None,
        health: None,
        memory_limit: None,
        notify_socket: None,
    }
}

fn probed(name: &str) -> InstanceSpec {
    let question = Question::Plain(Probe::Notify);
    InstanceSpec {
        ready: Some(Readiness { question: question.clone(), timeout: SECOND }),
        health: Some(HealthCheck { question, every: 2 * SECOND, timeout: SECOND, failures: 3 }),
        ..program(name, &[])
    }
}

/// A machine, its time, and what it wanted so far.
struct History {
    machine: Machine,
    now: Instant,
    actions: Vec<Action>,
    next_pid: i32,
}

impl History {
    fn of(specs: Vec<InstanceSpec>) -> Self {
        let mut history = Self {
            machine: Machine::new(specs, false, 42),
            now: Instant::now(),
            actions: Vec::new(),
            next_pid: 100,
        };
        history.then(Event::Tick);
        history
    }

    /// Takes an event in; processes that are to be started are.
    fn then(&mut self, event: Event) -> &mut Self {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for action in self.machine.step(event, self.now) {
                if let Action::Spawn(id) = action {
                    self.next_pid += 1;
                    events.push(Event::Spawned(id, self.next_pid));
                }
                self.actions.push(action);
            }
        }
        self
    }

    fn after(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self.then(Event::Tick)
    }

    fn state(&self, id: Id) -> &'static str {
        self.machine.instances()[id].state_name()
    }

    /// The actions since the last question, without the remarks.
    fn did(&mut self) -> Vec<Action> {
        let all = std::mem::take(&mut self.actions);
        all.into_iter().filter(|action| !matches!(action, Action::Tell(..))).collect()
    }

    fn said(&self, wanted: impl Fn(&Note) -> bool) -> bool {
        self.actions.iter().any(|action| matches!(action, Action::Tell(_, note) if wanted(note)))
    }
}

#[test]
fn a_program_waits_until_what_it_needs_is_ready() {
    let mut history = History::of(vec![probed("redis"), program("web", &["redis"])]);
    assert_eq!(history.did(), [Action::Spawn(0), Action::Ask(0)]);
    assert_eq!((history.state(0), history.state(1)), ("starting", "waiting"));
    history.then(Event::Unanswered(0, "refused".into(), false));
    assert_eq!(history.state(1), "waiting");
    history.after(SECOND).then(Event::Answered(0));
    assert_eq!(history.did(), [Action::Ask(0), Action::Spawn(1)]);
    assert_eq!((history.state(0), history.state(1)), ("ready", "ready"));
}

#[test]
fn a_program_without_a_probe_is_ready_when_it_runs() {
    let history = History::of(vec![program("web", &[])]);
    assert_eq!(history.state(0), "ready");
}

#[test]
fn a_crash_is_followed_by_a_wait_and_a_new_start() {
    let mut history = History::of(vec![program("web", &[])]);
    history.then(Event::Ended(0, Exit::Status(1), false));
    assert_eq!(history.state(0), "backoff");
    history.did();
    history.after(SECOND);
    assert_eq!(history.did(), [Action::Spawn(0)]);
    assert_eq!(history.state(0), "ready");
    assert_eq!(history.machine.instances()[0].restarts, 1);
}

#[test]
fn too_many_crashes_make_it_fail_and_stay_failed() {
    let mut history = History::of(vec![program("web", &[])]);
    for _ in 0..3 {
        history.then(Event::Ended(0, Exit::Status(1), false)).after(40 * SECOND);
        assert_eq!(history.state(0), "ready");
    }
    history.then(Event::Ended(0, Exit::Status(1), false)).after(3600 * SECOND);
    assert_eq!(history.state(0), "failed");
    assert!(history.said(|note| *note == Note::Failed(Some(Exit::Status(1)))));
    assert!(history.machine.is_done() && history.machine.has_failed());
}

#[test]
fn a_stable_minute_forgets_earlier_crashes() {
    let mut history = History::of(vec![program("web", &[])]);
    for _ in 0..20 {
        history.then(Event::Ended(0, Exit::Status(1), false)).after(SECOND).after(61 * SECOND);
        assert_eq!(history.state(0), "ready");
    }
}

#[test]
fn a_program_that_others_need_and_never_got_ready_ends_the_bench() {
    let mut history = History::of(vec![probed("redis"), program("web", &["redis"])]);
    for _ in 0..3 {
        history.then(Event::Ended(0, Exit::Status(1), false)).after(SECOND);
    }
    assert_eq!((history.state(0), history.state(1)), ("failed", "stopped"));
    assert!(history.said(|note| *note == Note::EndsTheBench));
    assert!(history.machine.is_done());
}

#[test]
fn the_restart_policy_decides_what_follows_an_end() {
    for (policy, exit, state) in [
        (RestartPolicy::Always, Exit::Status(0), "backoff"),
        (RestartPolicy::OnFailure, Exit::Status(0), "stopped"),
        (RestartPolicy::OnFailure, Exit::Status(1), "backoff"),
        (RestartPolicy::OnFailure, Exit::Signal(9), "backoff"),
        (RestartPolicy::Never, Exit::Status(0), "stopped"),
        (RestartPolicy::Never, Exit::Status(1), "failed"),
    ] {
        let mut history = History::of(vec![InstanceSpec { restart: policy, ..program("job", &[]) }]);
        history.then(Event::Ended(0, exit, false));
        assert_eq!(history.state(0), state, "{policy:?} {exit:?}");
    }
}

#[test]
fn a_missing_program_is_not_tried_again() {
    let mut machine = Machine::new(vec![program("web", &[])], false, 1);
    let now = Instant::now();
    assert_eq!(machine.step(Event::Tick, now), [Action::Spawn(0)]);
    machine.step(Event::NotSpawned(0, "`web` is not found".into(), true), now);
    assert_eq!(machine.instances()[0].state_name(), "failed");
}

#[test]
fn too_few_processes_are_waited_for() {
    let mut machine = Machine::new(vec![program("web", &[])], false, 1);
    let now = Instant::now();
    machine.step(Event::Tick, now);
    machine.step(Event::NotSpawned(0, "resource temporarily unavailable".into(), false), now);
    assert_eq!(machine.instances()[0].state_name(), "backoff");
}

#[test]
fn everything_stops_in_the_reverse_order() {
    let mut history =
        History::of(vec![program("redis", &[]), program("web", &["redis"]), program("worker", &["redis"])]);
    history.did();
    history.then(Event::Shutdown(Pace::Orderly));
    assert_eq!(history.did(), [Action::AskToStop(1), Action::AskToStop(2)]);
    history.then(Event::Ended(1, Exit::Signal(15), false));
    assert_eq!(history.did(), []);
    history.then(Event::Ended(2, Exit::Status(0), false));
    assert_eq!(history.did(), [Action::AskToStop(0)]);
    history.then(Event::Ended(0, Exit::Status(0), false));
    assert!(history.machine.is_done() && !history.machine.has_failed());
}

#[test]
fn what_does_not_stop_in_time_is_killed() {
    let mut history = History::of(vec![program("web", &[])]);
    history.did();
    history.then(Event::Shutdown(Pace::Orderly)).after(9 * SECOND);
    assert_eq!(history.did(), [Action::AskToStop(0)]);
    history.after(2 * SECOND);
    assert_eq!(history.did(), [Action::Kill(0)]);
    history.after(100 * SECOND);
    assert_eq!(history.did(), []);
}

#[test]
fn the_second_request_kills_everything_at_once() {
    let mut history = History::of(vec![program("redis", &[]), program("web", &["redis"])]);
    history.then(Event::Shutdown(Pace::Orderly));
    history.did();
    history.then(Event::Shutdown(Pace::Now));
    assert_eq!(history.did(), [Action::Kill(0), Action::Kill(1)]);
}

#[test]
fn without_the_guard_nobody_waits_long() {
    let mut history =
        History::of(vec![InstanceSpec { stop_timeout: 1500 * SECOND, ..program("worker", &[]) }]);
    history.did();
    history.then(Event::Shutdown(Pace::Orderly)).then(Event::Shutdown(Pace::Hurried)).after(4 * SECOND);
    assert_eq!(history.did(), [Action::AskToStop(0), Action::Kill(0)]);
}

#[test]
fn what_a_program_left_behind_is_ended_before_it_starts_again() {
    let mut history = History::of(vec![program("worker", &[])]);
    history.did();
    history.then(Event::Ended(0, Exit::Signal(9), true)).after(4 * SECOND);
    assert_eq!(history.did(), [Action::Sweep(0)]);
    assert_eq!(history.state(0), "stopping");
    history.after(2 * SECOND);
    assert_eq!(history.did(), [Action::KillLeftovers(0)]);
    history.then(Event::Swept(0)).after(SECOND);
    assert_eq!(history.did(), [Action::Spawn(0)]);
}

#[test]
fn what_a_stopped_program_left_behind_has_the_rest_of_its_time() {
    let mut history =
        History::of(vec![InstanceSpec { stop_timeout: 100 * SECOND, ..program("worker", &[]) }]);
    history.did();
    history
        .then(Event::Stop(vec![0]))
        .after(SECOND)
        .then(Event::Ended(0, Exit::Signal(15), true))
        .after(90 * SECOND);
    assert_eq!(history.did(), [Action::AskToStop(0), Action::Sweep(0)]);
    history.after(10 * SECOND);
    assert_eq!(history.did(), [Action::KillLeftovers(0)]);
    history.then(Event::Swept(0));
    assert_eq!(history.state(0), "stopped");
}

#[test]
fn a_server_that_stops_answering_is_started_again() {
    let mut history = History::of(vec![probed("redis")]);
    history.then(Event::Answered(0));
    history.did();
    for failure in 1..=3 {
        history.after(2 * SECOND);
        assert_eq!(history.did(), [Action::Ask(0)], "question {failure}");
        history.then(Event::Unanswered(0, "no answer".into(), false));
    }
    assert_eq!(history.did(), [Action::AskToStop(0)]);
    history.then(Event::Ended(0, Exit::Status(0), false)).after(SECOND);
    assert_eq!(history.did(), [Action::Spawn(0), Action::Ask(0)]);
}

#[test]
fn a_server_that_answers_again_in_time_is_left_alone() {
    let mut history = History::of(vec![probed("redis")]);
    history.then(Event::Answered(0));
    for _ in 0..10 {
        for _ in 0..2 {
            history.after(2 * SECOND).then(Event::Unanswered(0, "no answer".into(), false));
            assert_eq!(history.state(0), "unhealthy");
        }
        history.after(2 * SECOND).then(Event::Answered(0));
        assert_eq!(history.state(0), "ready");
    }
}

#[test]
fn a_server_that_is_loading_or_busy_is_never_started_again() {
    let mut history = History::of(vec![probed("redis")]);
    for _ in 0..600 {
        history.after(SECOND).then(Event::Unanswered(0, "loading".into(), true));
    }
    assert_eq!(history.state(0), "starting");
    history.then(Event::Answered(0));
    for _ in 0..600 {
        history.after(2 * SECOND).then(Event::Unanswered(0, "busy".into(), true));
    }
    assert_eq!(history.state(0), "ready");
    assert_eq!(history.machine.instances()[0].restarts, 0);
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let mut history = History::of(vec![probed("redis")]);
    for _ in 0..70 {
        history.after(SECOND).then(Event::Unanswered(0, "refused".into(), false));
    }
    assert!(history.said(|note| matches!(note, Note::NeverReady(why) if why == "refused")));
    assert_eq!(history.state(0), "stopping");
}

#[test]
fn one_question_at_a_time() {
    let mut history = History::of(vec![probed("redis")]);
    history.did();
    history.after(SECOND).after(SECOND).after(SECOND);
    assert_eq!(history.did(), []);
}

#[test]
fn a_machine_that_slept_blames_nobody() {
    let mut history = History::of(vec![probed("redis"), program("web", &[])]);
    history.then(Event::Answered(0));
    history.after(2 * SECOND).then(Event::Unanswered(0, "no answer".into(), false));
    history.then(Event::Stop(vec![1]));
    history.did();
    history.now += 3600 * SECOND;
    history.then(Event::Gap(3600 * SECOND));
    assert_eq!(history.state(0), "ready");
    assert!(!history.did().contains(&Action::Kill(1)));
}

#[test]
fn a_restart_that_is_asked_for_comes_at_once_and_counts_no_failure() {
    let mut history = History::of(vec![program("web", &[])]);
    for _ in 0..20 {
        history.did();
        history.then(Event::Restart(vec![0])).then(Event::Ended(0, Exit::Signal(15), false));
        assert_eq!(history.did(), [Action::AskToStop(0), Action::Spawn(0)]);
    }
}

#[test]
fn a_failed_program_can_be_started_again() {
    let mut history =
        History::of(vec![InstanceSpec { restart: RestartPolicy::Never, ..program("job", &[]) }]);
    history.then(Event::Ended(0, Exit::Status(1), false));
    history.did();
    history.then(Event::Restart(vec![0]));
    assert_eq!(history.did(), [Action::Spawn(0)]);
}

#[test]
fn a_restart_during_the_end_changes_nothing() {
    let mut history = History::of(vec![program("web", &[])]);
    history.then(Event::Restart(vec![0])).then(Event::Shutdown(Pace::Orderly));
    history.then(Event::Restart(vec![0])).then(Event::Ended(0, Exit::Signal(15), false)).after(SECOND);
    assert_eq!(history.state(0), "stopped");
    assert!(history.machine.is_done());
}

#[test]
fn a_program_over_its_memory_limit_is_started_again() {
    let mut history = History::of(vec![program("web", &[])]);
    history.did();
    history.then(Event::OverMemory(0, "2 GiB".into())).then(Event::Ended(0, Exit::Signal(15), false));
    assert_eq!(history.did(), [Action::AskToStop(0), Action::Spawn(0)]);
}

/// What may happen to one of three programs at a time.
#[derive(Clone, Debug)]
enum Happening {
    End(Id, bool),
    Swept(Id),
    Answer(Id, bool),
    Stop(Id),
    Restart(Id),
    Shutdown(Pace),
    Time(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let id = 0..3_usize;
    prop_oneof![
        4 => (id.clone(), any::<bool>()).prop_map(|(id, left)| Happening::End(id, left)),
        2 => id.clone().prop_map(Happening::Swept),
        4 => (id.clone(), any::<bool>()).prop_map(|(id, well)| Happening::Answer(id, well)),
        1 => id.clone().prop_map(Happening::Stop),
        1 => id.prop_map(Happening::Restart),
        1 => prop_oneof![Just(Pace::Orderly), Just(Pace::Hurried), Just(Pace::Now)].prop_map(Happening::Shutdown),
        4 => (0..90_000_u64).prop_map(Happening::Time),
    ]
}

proptest! {
    /// Whatever happens: no program runs twice, and when everything is asked to end, everything ends.
    #[test]
    fn no_program_runs_twice_and_every_end_comes(happenings in proptest::collection::vec(happening(), 0..120)) {
        let specs = vec![probed("redis"), program("web", &["redis"]), program("worker", &["redis"])];
        let mut world = World { history: History::of(specs), running: [false; 3], sweeping: [false; 3] };
        world.look();
        for happening in happenings {
            world.happen(&happening);
        }
        world.happen(&Happening::Shutdown(Pace::Orderly));
        for _ in 0..50 {
            for id in 0..3 {
                world.happen(&Happening::End(id, false));
                world.happen(&Happening::Swept(id));
            }
            world.happen(&Happening::Time(30_000));
        }
        prop_assert!(world.history.machine.is_done());
        prop_assert!(world.running.iter().chain(&world.sweeping).all(|running| !running));
    }
}

/// Which processes there would be.
struct World {
    history: History,
    running: [bool; 3],
    sweeping: [bool; 3],
}

impl World {
    fn happen(&mut self, happening: &Happening) {
        let event = match *happening {
            Happening::End(id, left) if self.running[id] => {
                self.running[id] = false;
                self.sweeping[id] = left;
                Event::Ended(id, Exit::Status(1), left)
            }
            Happening::Swept(id) if self.sweeping[id] => {
                self.sweeping[id] = false;
                Event::Swept(id)
            }
            Happening::End(..) | Happening::Swept(_) => return,
            Happening::Answer(id, true) => Event::Answered(id),
            Happening::Answer(id, false) => Event::Unanswered(id, "no".into(), false),
            Happening::Stop(id) => Event::Stop(vec![id]),
            Happening::Restart(id) => Event::Restart(vec![id]),
            Happening::Shutdown(pace) => Event::Shutdown(pace),
            Happening::Time(millis) => {
                self.history.now += Duration::from_millis(millis);
                Event::Tick
            }
        };
        self.history.then(event);
        self.look();
    }

    fn look(&mut self) {
        for action in self.history.did() {
            if let Action::Spawn(id) = action {
                assert!(!self.running[id] && !self.sweeping[id], "program {id} was started twice");
                self.running[id] = true;
            }
        }
        for (id, instance) in self.history.machine.instances().iter().enumerate() {
            assert_eq!(instance.pid().is_some(), self.running[id], "{id}: {:?}", instance.state);
            assert_eq!(matches!(instance.state, State::Sweeping { .. }), self.sweeping[id]);
        }
    }
}
