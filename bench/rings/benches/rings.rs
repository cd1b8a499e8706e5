//! Micro-benchmarks of the pure rings, with the workloads of `bench/workloads.js`: what the parts of one request cost without
//! Node.js. Absolute times mean little; they are for comparing two versions on one quiet machine.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use node_session::clock::Millis;
use node_session::cookie::keyring::Keyring;
use node_session::cookie::write::{CookieWriter, wire_value};
use node_session::cookie::{CookieOptions, header};
use node_session::payload::Sealer;
use node_session::session::change::Change;
use node_session::session::{Base, Moment, Plan, Session, Stage, Stored};
use node_session::session_id::SessionId;
use node_session_rings::{Scalars, Value, stored};

/// The default of option `maxDepth`.
const DEPTH: usize = 1_000;
const NAME: &str = "node_session";
const CITY: &str = "user.address.city";

/// The sizes of sessions, as the benchmarks are named by them.
fn sizes() -> [(&'static str, Arc<str>); 2] {
    [("1.3 kB", stored("SMALL")), ("50 kB", stored("LARGE"))]
}

fn base(text: &Arc<str>) -> Base {
    Base::parse(text.clone(), DEPTH).expect("what is stored is a session")
}

/// What opening does once a record is there.
fn open(id: SessionId, base: &Base, live: &Scalars) -> Session {
    let session = Session::new(id, true);
    let stored = Stored {
        id,
        payload: base.text().clone(),
        last_activity: Millis(0),
        recorded: None,
        is_stale: false,
        others: None,
    };
    let adopted = session.adopt(live, (base.clone(), stored));
    session.stage.set(Stage::Open);
    adopted
        .and_then(|()| session.ensure_token(live))
        .expect("nothing throws");
    session
}

/// The same, and the counter goes up, as in the workload *write*.
fn write(id: SessionId, base: &Base, live: &Scalars) -> Session {
    let session = open(id, base, live);
    let set = session.attributes.set(live, "count", &Value::Number(1.0));
    set.expect("nothing throws");
    session
}

fn plan(session: &Session, live: &Scalars) -> Plan {
    let plan = session.plan(live, DEPTH, Moment::Ended);
    plan.expect("the attributes can be saved")
}

/// What the workload *write* changes.
fn change(id: SessionId, base: &Base) -> Change {
    let live = Scalars::default();
    match plan(&write(id, base, &live), &live) {
        Plan::Write(mut snapshot) => snapshot.split().1,
        plan => unreachable!("a number was changed, but there is only to {plan:?}"),
    }
}

fn sessions(c: &mut Criterion) {
    let id = SessionId::standing_for("a visitor");
    for (size, text) in sizes() {
        let (base, live) = (base(&text), Scalars::default());
        let mut group = c.benchmark_group(format!("session/{size}"));
        group.bench_function("open", |b| b.iter(|| open(id, black_box(&base), &live)));
        let session = open(id, &base, &live);
        group.bench_function("get a nested scalar", |b| {
            b.iter(|| session.attributes.get(&live, black_box(CITY)))
        });
        group.bench_function("plan, nothing changed", |b| {
            let read = || open(id, &base, &live);
            b.iter_batched(read, |it| plan(&it, &live), BatchSize::SmallInput)
        });
        group.bench_function("plan, a number changed", |b| {
            let written = || {
                let live = Scalars::default();
                (write(id, &base, &live), live)
            };
            b.iter_batched(
                written,
                |(it, live)| plan(&it, &live),
                BatchSize::SmallInput,
            )
        });
        group.bench_function("rebase", |b| {
            let change = change(id, &base);
            b.iter(|| change.apply(black_box(&text)))
        });
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("scan", |b| {
            b.iter(|| Base::parse(black_box(&text).clone(), DEPTH))
        });
        group.finish();
    }
}

fn new_sessions(c: &mut Criterion) {
    let id = SessionId::standing_for("a visitor");
    c.bench_function("session/new", |b| {
        b.iter(|| {
            let live = Scalars::default();
            let session = Session::new(id, false);
            session.stage.set(Stage::Open);
            let made = session.ensure_token(&live);
            let set = session.attributes.set(&live, "count", &Value::Number(1.0));
            made.and(set).expect("nothing throws");
            plan(&session, &live)
        })
    });
}

fn payloads(c: &mut Criterion) {
    let sealer = Sealer::new(&[b"a secret".to_vec()], NAME, false);
    let id = SessionId::standing_for("a visitor");
    for (size, text) in sizes() {
        let sealed = sealer.seal(&id, &text).expect("there is a secret");
        let mut group = c.benchmark_group(format!("payload/{size}"));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("seal", |b| b.iter(|| sealer.seal(&id, black_box(&text))));
        group.bench_function("unseal", |b| {
            b.iter(|| sealer.unseal(&id, black_box(&sealed)))
        });
        group.finish();
    }
}

fn cookies(c: &mut Criterion) {
    let keyring = Keyring::new(&[b"a secret".to_vec()]).expect("there is a secret");
    let options = CookieOptions {
        name: NAME.to_owned(),
        path: Some("/".to_owned()),
        domain: None,
        http_only: true,
        secure: false,
        same_site: None,
        partitioned: false,
        priority: None,
        max_age: Some(Millis(300_000)),
    };
    let writer = CookieWriter::new(&options);
    let id = SessionId::standing_for("a visitor");
    let wire = wire_value(&id, &keyring);
    let others = format!("theme=dark; consent=all; {NAME}={wire}; lang=fr");
    let only = format!("{NAME}={wire}");
    let mut group = c.benchmark_group("cookie");
    for (name, header) in [
        ("read, the only one", &only),
        ("read, among others", &others),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| header::read(black_box(header), NAME, &keyring))
        });
    }
    group.bench_function("sign", |b| b.iter(|| wire_value(black_box(&id), &keyring)));
    group.bench_function("Set-Cookie", |b| {
        b.iter(|| writer.set_cookie(black_box(&wire), Millis(1_767_600_000_000)))
    });
    group.bench_function("a new session id", |b| b.iter(SessionId::generate));
    group.finish();
}

criterion_group!(rings, sessions, new_sessions, payloads, cookies);
criterion_main!(rings);
