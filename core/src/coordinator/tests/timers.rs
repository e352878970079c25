//! The deadline timer and the looks at the state of the cluster, by example.

use super::*;

#[test]
fn the_deadline_timer_stays_until_it_fires_or_nobody_waits() {
    let mut coordinator = primary(TIMER);
    let change = |coordinator: &mut Coordinator<()>, now| coordinator.timer_changes(now).deadline;
    accept(&mut coordinator, 1, Some(ms(100)), Micros::new(0));
    assert_eq!(
        change(&mut coordinator, Micros::new(0)),
        TimerChange::Start(100)
    );
    accept(&mut coordinator, 2, Some(ms(200)), Micros::new(0));
    assert_eq!(change(&mut coordinator, Micros::new(0)), TimerChange::Keep);
    accept(&mut coordinator, 3, Some(ms(50)), Micros::new(999));
    assert_eq!(
        change(&mut coordinator, Micros::new(999)),
        TimerChange::Start(50),
        "an earlier deadline"
    );
    coordinator.timed_out(3, ms(1), |_| true);
    assert_eq!(
        change(&mut coordinator, ms(1)),
        TimerChange::Keep,
        "it fires too early, once"
    );
    coordinator.deadline_timer_fired(ms(51));
    assert_eq!(change(&mut coordinator, ms(51)), TimerChange::Start(49));
    coordinator.timed_out(1, ms(60), |_| true);
    coordinator.timed_out(2, ms(60), |_| true);
    assert_eq!(change(&mut coordinator, ms(60)), TimerChange::Stop);
    assert!(!coordinator.has_armed_timer());
}

#[test]
fn a_deadline_timer_for_a_long_wait_is_armed_in_parts() {
    let mut coordinator = primary(TIMER);
    let change = |coordinator: &mut Coordinator<()>, now| coordinator.timer_changes(now).deadline;
    accept(&mut coordinator, 1, Some(ms(1_500_000)), ms(0));
    assert_eq!(
        change(&mut coordinator, ms(0)),
        TimerChange::Start(1_000_000)
    );
    assert_eq!(change(&mut coordinator, ms(1)), TimerChange::Keep);
    coordinator.deadline_timer_fired(ms(1_000_000));
    assert_eq!(coordinator.overdue(ms(1_000_000)), []);
    assert_eq!(
        change(&mut coordinator, ms(1_000_000)),
        TimerChange::Start(500_000)
    );
}

#[test]
fn a_deadline_timer_that_did_not_fire_is_armed_again() {
    let mut coordinator = primary(TIMER);
    accept(&mut coordinator, 1, Some(ms(100)), Micros::new(0));
    coordinator.timer_changes(Micros::new(0));
    coordinator.turn_begins();
    assert_eq!(
        coordinator.timer_changes(ms(149)).deadline,
        TimerChange::Keep
    );
    // The wall clock was set back.
    coordinator.turn_begins();
    assert_eq!(
        coordinator.timer_changes(ms(151)).deadline,
        TimerChange::Start(0)
    );
}

#[test]
fn the_cluster_is_looked_at_when_the_cron_is_due_and_somebody_waits() {
    let mut coordinator = primary(Setup {
        is_cluster: true,
        ..TIMER
    });
    assert!(!coordinator.cron(10, ms(0)), "nobody waits");
    accept(&mut coordinator, 1, None, ms(0));
    assert!(coordinator.cron(10, ms(0)));
    assert!(!coordinator.turn_timer_fired(ms(97)).check_cluster);
    assert!(coordinator.turn_timer_fired(ms(98)).check_cluster);
    // After its work the timer asks again, because the cron may be due by then.
    assert!(!coordinator.is_cluster_check_due(ms(97)));
    assert!(coordinator.is_cluster_check_due(ms(98)));
    coordinator.cluster_failed();
    assert_eq!(coordinator.take_lost(), [(1, Loss::Cluster)]);
    let given_up = coordinator.timed_out(1, ms(98), |_| true);
    assert_eq!(
        given_up.map(|given_up| given_up.error).as_deref(),
        Some(
            "UNACKED 0 of 1 replicas acknowledged; the cluster failed while waiting; \
             applied on the primary, may still reach the replicas"
        )
    );
}

#[test]
fn the_cluster_is_looked_at_earlier_after_late_crons() {
    let mut coordinator = primary(Setup {
        is_cluster: true,
        ..TIMER
    });
    accept(&mut coordinator, 1, None, ms(0));
    assert!(
        coordinator.is_cluster_check_due(ms(0)),
        "no cron has been seen"
    );
    coordinator.cron(10, ms(1000));
    coordinator.cron(10, ms(1120)); // 20 ms late
    assert!(!coordinator.is_cluster_check_due(ms(1197)));
    assert!(coordinator.is_cluster_check_due(ms(1198)));
    // This cron is later than a period, so every turn looks.
    coordinator.cron(10, ms(5000));
    assert!(coordinator.is_cluster_check_due(ms(5000)));
    for cron in 1..=200 {
        coordinator.cron(10, ms(5000 + cron * 100));
    }
    assert!(!coordinator.is_cluster_check_due(ms(25_097)));
    assert!(coordinator.is_cluster_check_due(ms(25_098)));
}

#[test]
fn a_wait_without_a_deadline_keeps_a_timer_where_the_loop_wakes_after_the_last_one() {
    let without_turn_timer = Setup {
        release_point: ReleasePoint::TurnEnd,
        is_cluster: false,
        hears_acknowledgements: false,
        releases_when_heard: false,
        wakes_after_last_timer: true,
    };
    let mut coordinator = primary(without_turn_timer);
    accept(&mut coordinator, 1, None, ms(0));
    assert_eq!(
        coordinator.timer_changes(ms(0)).deadline,
        TimerChange::Keep,
        "no timer fires in each turn"
    );
    let mut coordinator = primary(Setup {
        is_cluster: true,
        ..without_turn_timer
    });
    let change = |coordinator: &mut Coordinator<()>, now| coordinator.timer_changes(now).deadline;
    assert_eq!(change(&mut coordinator, ms(0)), TimerChange::Keep);
    accept(&mut coordinator, 1, None, ms(0));
    assert_eq!(
        change(&mut coordinator, ms(0)),
        TimerChange::Start(1_000_000)
    );
    assert_eq!(change(&mut coordinator, ms(1)), TimerChange::Keep);
    accept(&mut coordinator, 2, Some(ms(100)), ms(2));
    assert_eq!(change(&mut coordinator, ms(2)), TimerChange::Start(100));
    coordinator.timed_out(2, ms(102), |_| true);
    coordinator.timed_out(1, ms(102), |_| true);
    assert_eq!(change(&mut coordinator, ms(102)), TimerChange::Stop);
}
