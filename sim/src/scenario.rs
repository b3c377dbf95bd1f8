//! Building a world from a configuration: disks, guests, jobs.

mod holder;
mod homes;
mod probe;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_block::buf::BufferPool;
use blockjob_block::child::ChildRole;
use blockjob_block::driver::overlay::OverlayOptions;
use blockjob_block::moving;
use blockjob_block::op_blocker::BlockOp;
use blockjob_block::{BlockBackend, Graph, Node, Perm, PermPair};
use blockjob_jobs::driver::MirrorCopyMode;
use blockjob_jobs::error_policy::OnError;
use blockjob_jobs::mirror::{
    MirrorBackingMode, MirrorOptions, MirrorSync, MirrorTuning, mirror_start, mirror_start_in,
};
use blockjob_jobs::txn::JobTxn;
use blockjob_runtime::AioContext;

use crate::cast::{Cast, Living, Pair};
use crate::config::{Config, Field};
use crate::disk::{
    DiskSpec, Fill, ImageDriver, SimDisk, SimDriver, Spread, StatusKind, Store, UNIT_BYTES,
};
use crate::event::GuestKind;
use crate::guest::{Guest, Habits, Rings, Surroundings};
use crate::hub::Hub;
use crate::image::workshop;
use crate::model::Model;
use crate::world::World;

/// Names of disks, by the number of the pair. They live as long as the program does.
const NAMES: [[&str; 3]; 16] = [
    ["source", "target", "base"],
    ["source1", "target1", "base1"],
    ["source2", "target2", "base2"],
    ["source3", "target3", "base3"],
    ["source4", "target4", "base4"],
    ["source5", "target5", "base5"],
    ["source6", "target6", "base6"],
    ["source7", "target7", "base7"],
    ["source8", "target8", "base8"],
    ["source9", "target9", "base9"],
    ["source10", "target10", "base10"],
    ["source11", "target11", "base11"],
    ["source12", "target12", "base12"],
    ["source13", "target13", "base13"],
    ["source14", "target14", "base14"],
    ["source15", "target15", "base15"],
];

/// Names of the files of images, of the source and of the target.
const FILES: [[&str; 2]; 16] = [
    ["source.file", "target.file"],
    ["source1.file", "target1.file"],
    ["source2.file", "target2.file"],
    ["source3.file", "target3.file"],
    ["source4.file", "target4.file"],
    ["source5.file", "target5.file"],
    ["source6.file", "target6.file"],
    ["source7.file", "target7.file"],
    ["source8.file", "target8.file"],
    ["source9.file", "target9.file"],
    ["source10.file", "target10.file"],
    ["source11.file", "target11.file"],
    ["source12.file", "target12.file"],
    ["source13.file", "target13.file"],
    ["source14.file", "target14.file"],
    ["source15.file", "target15.file"],
];

/// Names of the targets of second jobs, which are those of the jobs, too.
const EXTRA: [&str; 4] = ["extra0", "extra1", "extra2", "extra3"];

/// What a guest's device does with its disk, and lets others do.
const DEVICE: PermPair = PermPair::new(
    Perm::CONSISTENT_READ.or(Perm::WRITE),
    Perm::CONSISTENT_READ.or(Perm::WRITE_UNCHANGED),
);

fn fill(value: u64) -> Fill {
    [Fill::Data, Fill::Sparse, Fill::Holes, Fill::Noise][value as usize]
}

fn spread(value: u64) -> Spread {
    [Spread::Constant, Spread::Uniform, Spread::HeavyTail][value as usize]
}

fn on_error(value: u64) -> OnError {
    [
        OnError::Report,
        OnError::Ignore,
        OnError::Enospc,
        OnError::Stop,
    ][value as usize]
}

fn source_spec(config: &Config) -> DiskSpec {
    DiskSpec {
        latency_ns: config.get(Field::Latency),
        spread: spread(config.get(Field::Spread)),
        early: config.is(Field::Early),
        fill: fill(config.get(Field::Fill)),
        status: [StatusKind::Exact, StatusKind::Slow, StatusKind::Coarse]
            [config.get(Field::Status) as usize],
        read_error: config.odds(Field::ReadError),
        write_error: config.odds(Field::WriteError),
        short: config.odds(Field::Short),
        hold: config.odds(Field::Hold),
        alignment: config.get(Field::Alignment),
        cluster_bytes: config.get(Field::Cluster),
        ..DiskSpec::default()
    }
}

fn target_spec(config: &Config) -> DiskSpec {
    DiskSpec {
        latency_ns: config.get(Field::TargetLatency),
        spread: spread(config.get(Field::TargetSpread)),
        early: config.is(Field::Early),
        fill: fill(config.get(Field::TargetFill)),
        write_error: config.odds(Field::TargetError),
        full: config.odds(Field::TargetFull),
        flush_error: config.odds(Field::FlushError),
        short: config.odds(Field::Short),
        hold: config.odds(Field::Hold),
        volatile: config.is(Field::Volatile),
        alignment: config.get(Field::TargetAlignment),
        cluster_bytes: config.get(Field::TargetCluster),
        ..DiskSpec::default()
    }
}

/// The habits of the guest of that `number`, counted over all disks.
fn habits(config: &Config, number: usize) -> Habits {
    // A noisy guest of as many requests as the others would fall silent long before them.
    let (times, rest_ns) = match config.get(Field::Noisy) {
        times if times > 0 && number == 0 => (times, 0),
        _ => (1, config.get(Field::Rest)),
    };
    let kinds = [
        GuestKind::Read,
        GuestKind::Zero,
        GuestKind::Discard,
        GuestKind::Flush,
    ];
    let set = config.get(Field::Kinds);
    let chosen = kinds.iter().enumerate();
    let chosen = chosen.filter(|(place, _)| set >> place & 1 == 1);
    Habits {
        depth: config.get(Field::Depth) * times,
        requests: config.get(Field::Requests) * times * times,
        span: config.get(Field::Span),
        step: config.get(Field::Step),
        hot: config.is(Field::Hot),
        kinds: chosen.map(|(_, kind)| *kind).collect(),
        rest_ns,
        abandon: config.odds(Field::Abandon),
    }
}

/// The options of the mirrors.
fn options(config: &Config, job_id: &str) -> MirrorOptions {
    let granularity = config.get(Field::Granularity);
    MirrorOptions {
        job_id: Some(job_id.to_owned()),
        sync: [MirrorSync::Full, MirrorSync::Top, MirrorSync::None]
            [config.get(Field::Sync) as usize],
        copy_mode: [
            MirrorCopyMode::Background,
            MirrorCopyMode::WriteBlocking,
            MirrorCopyMode::Auto,
        ][config.get(Field::CopyMode) as usize],
        guest_latency_ns: Some(config.get(Field::Budget)).filter(|budget_ns| *budget_ns > 0),
        granularity,
        buf_size: config.get(Field::Buf) * granularity,
        speed: config.get(Field::Speed),
        on_source_error: on_error(config.get(Field::OnSourceError)),
        on_target_error: on_error(config.get(Field::OnTargetError)),
        unmap: config.is(Field::Unmap),
        // Without a base of its own, the copy of a top gets that of the source in the end.
        backing_mode: match config.get(Field::Sync) == SYNC_TOP && !config.is(Field::TargetBacking)
        {
            true => MirrorBackingMode::SourceChain,
            false => MirrorBackingMode::Leave,
        },
        // What has a base below it does not read as zeroes, however little it holds itself.
        zero_target: fill(config.get(Field::TargetFill)) != Fill::Holes
            || config.is(Field::TargetBacking),
        auto_finalize: config.is(Field::Finalize),
        auto_dismiss: config.is(Field::Dismiss),
        tuning: MirrorTuning {
            slice_time_ns: config.get(Field::Slice),
            max_in_flight: config.get(Field::InFlight) as usize,
            max_io_bytes: config.get(Field::MaxIo) * granularity,
        },
        ..MirrorOptions::new()
    }
}

/// Builds the world of a run: the disks with their guests, which have not started, and no job.
pub(crate) fn build(config: &Config, world: &Rc<World>, hub: &Rc<Hub>) -> Rc<Cast> {
    let homes = homes::make(config, world, hub);
    let home = usize::from(config.is(Field::IoThread));
    let _current = homes[home].context.make_current();
    let around = Surroundings {
        world: world.clone(),
        hub: hub.clone(),
        home: homes[home].context.clone(),
        ids: Rc::default(),
        tally: Rc::default(),
    };
    let pairs = 0..config.get(Field::Jobs) as usize;
    let pairs = pairs
        .map(|number| pair(config, &around, (&homes[home].graph, home), number))
        .collect();
    let cast = Cast::new(config, world, (homes, home), pairs, around.tally);
    hub.set_cast(cast.clone());
    cast
}

fn pair(
    config: &Config,
    around: &Surroundings,
    (graph, home): (&Rc<Graph>, usize),
    number: usize,
) -> Pair {
    let base_name = NAMES[number][2];
    let has_base = config.is(Field::Backing);
    let base = has_base.then(|| base(config, around, graph, base_name));
    let below = base.as_ref().map(|(node, _)| node);
    let ((source_node, source), (target_node, target)) =
        both_sides(config, around, graph, number, below);
    let device_name = format!("drive{number}");
    let device = BlockBackend::new(graph, &device_name, DEVICE).expect("the name is new");
    device
        .insert(&source_node)
        .expect("nobody else uses the disk");
    let model = Rc::new(RefCell::new(model(
        &source.store(),
        base.as_ref().map(|(_, disk)| &**disk),
    )));
    let guests = guests(config, around, number, &device, &model);
    let stand_in = config.is(Field::IoThread).then(|| {
        device.set_device_ops(Some(Rc::new(Rings::of(&guests))));
        stand_in(&device_name, &source, &target)
    });
    Pair {
        job_id: format!("job{number}"),
        source,
        target,
        base: base.map(|(_, disk)| disk),
        model,
        guests,
        refused: RefCell::new(None),
        home: Cell::new(home),
        living: RefCell::new(Living {
            source_node,
            target_node,
            device,
            job: None,
            mirror: None,
        }),
        travels: Cell::new(false),
        stand_in,
    }
}

/// What is below the source.
fn base(
    config: &Config,
    around: &Surroundings,
    graph: &Rc<Graph>,
    name: &'static str,
) -> (Rc<Node>, Rc<SimDisk>) {
    let spec = DiskSpec {
        latency_ns: config.get(Field::Latency),
        ..DiskSpec::default()
    };
    let len = config.len_bytes();
    let disk = SimDisk::new(name, &around.world, &around.hub, len, spec);
    (node(graph, &disk, None), disk)
}

type NodeOfDisk = (Rc<Node>, Rc<SimDisk>);

/// The source and the target of the pair of that number, the first of which is above `below`.
fn both_sides(
    config: &Config,
    around: &Surroundings,
    graph: &Rc<Graph>,
    number: usize,
    below: Option<&Rc<Node>>,
) -> (NodeOfDisk, NodeOfDisk) {
    let (world, hub) = (&around.world, &around.hub);
    let len = config.len_bytes();
    let [source_name, target_name, _] = NAMES[number];
    let target_below = below.filter(|_| config.is(Field::TargetBacking));
    let [source_file, target_file] = FILES[number];
    let make = |name, file_name, spec, is_image, below| match is_image {
        true => image(around, graph, (name, file_name), len, spec, below),
        false => {
            let disk = SimDisk::new(name, world, hub, len, spec);
            (node(graph, &disk, below), disk)
        }
    };
    let format = config.get(Field::Format);
    let source = make(
        source_name,
        source_file,
        source_spec(config),
        format == FORMAT_BOTH,
        below,
    );
    let target = make(
        target_name,
        target_file,
        target_spec(config),
        format != 0,
        target_below,
    );
    (source, target)
}

/// What a pair is said to be while it is on its way: the same names, in a graph of their own.
fn stand_in(device_name: &str, source: &Rc<SimDisk>, target: &Rc<SimDisk>) -> Living {
    let graph = Graph::new(&AioContext::current());
    let (source_node, target_node) = (node(&graph, source, None), node(&graph, target, None));
    let device = BlockBackend::new(&graph, device_name, DEVICE).expect("the name is new");
    Living {
        source_node,
        target_node,
        device,
        job: None,
        mirror: None,
    }
}

/// An image in a file that has the faults of `spec`, with what it shows to begin with.
fn image(
    around: &Surroundings,
    graph: &Rc<Graph>,
    (name, file_name): (&'static str, &'static str),
    len: u64,
    spec: DiskSpec,
    below: Option<&Rc<Node>>,
) -> (Rc<Node>, Rc<SimDisk>) {
    let spares = &around.world.spares;
    let cluster_bytes = workshop::cluster_bytes(len, spec.cluster_bytes);
    let view_spec = DiskSpec {
        fill: spec.fill,
        cluster_bytes,
        ..DiskSpec::default()
    };
    let bytes = spares.image_file(len, cluster_bytes, spec.fill);
    let opened = spares.workshop().open(&bytes);
    let file_spec = DiskSpec {
        fill: Fill::Holes,
        cluster_bytes: 0,
        grows: true,
        ..spec
    };
    let file = SimDisk::holding(file_name, &around.world, &around.hub, &bytes, file_spec);
    let file_node = node(graph, &file, None);
    let view = SimDisk::view(name, &file, len, view_spec);
    view.set_backing(below.is_some());
    let driver = ImageDriver::new(opened.expect("the image is as it was made"), &view);
    let mut children = vec![("file", ChildRole::Data, file_node)];
    children.extend(below.map(|node| ("backing", ChildRole::Cow, node.clone())));
    let node = graph.add_node(Some(name), Box::new(driver), false, &children);
    (node.expect("a world's nodes get on with each other"), view)
}

fn node(graph: &Rc<Graph>, disk: &Rc<SimDisk>, below: Option<&Rc<Node>>) -> Rc<Node> {
    let driver = Box::new(SimDriver(disk.clone()));
    let child = below.map(|node| ("backing", ChildRole::Cow, node.clone()));
    let node = graph.add_node(Some(disk.name()), driver, false, child.as_slice());
    node.expect("a world's nodes get on with each other")
}

/// What guests find on a disk that holds what `store` does, above `base`.
fn model(store: &Store, base: Option<&SimDisk>) -> Model {
    let units = store.len().div_ceil(UNIT_BYTES);
    let mut unit_bytes = [0; UNIT_BYTES as usize];
    Model::new((0..units).map(|unit| {
        let offset = unit * UNIT_BYTES;
        unit_bytes.fill(0);
        match base {
            Some(base) => {
                base.store().read(offset, &mut unit_bytes);
                store.read_over(offset, &mut unit_bytes);
            }
            None => store.read(offset, &mut unit_bytes),
        }
        let word = unit_bytes.first_chunk().expect("a unit has words");
        u64::from_le_bytes(*word)
    }))
}

fn guests(
    config: &Config,
    around: &Surroundings,
    pair: usize,
    device: &Rc<BlockBackend>,
    model: &Rc<RefCell<Model>>,
) -> Vec<Rc<Guest>> {
    let count = config.get(Field::Guests) as usize;
    let guests = (0..count).map(|index| {
        let number = pair * count + index;
        let own = config.is(Field::Own) || config.is(Field::IoThread);
        let context = match own {
            true => around
                .world
                .context(&format!("guest{number}"), Some(around.hub.clone())),
            false => around.home.clone(),
        };
        let habits = habits(config, number);
        Guest::new(around, number, &context, device, model, habits)
    });
    guests.collect()
}

/// The numbers of `MirrorSync::Top` and `MirrorSync::None` in a configuration.
const SYNC_TOP: u64 = 1;
const SYNC_NONE: u64 = 2;
/// The number of images on both sides.
const FORMAT_BOTH: u64 = 2;

/// Starts the jobs, where their disks live.
pub(crate) fn start_jobs(cast: &Rc<Cast>) {
    if !cast.config.is(Field::Mirror) {
        return;
    }
    let _current = cast.main.make_current();
    // Nobody moves what is about to be used.
    cast.commands.set(cast.commands.get() + 1);
    bring_together(cast);
    let home = cast.home_of(&cast.pairs[0]);
    let whom = cast.clone();
    cast.command(home, "blockdev-mirror", move || start_all(&whom));
    cast.commands.set(cast.commands.get() - 1);
}

/// Has all that the jobs are going to use live where the first disk does, as `blockdev-mirror` does with its
/// target. Who cannot come gets no job.
fn bring_together(cast: &Cast) {
    let here = cast.pairs[0].home.get();
    for pair in &cast.pairs {
        let used = pair.device().node();
        for node in used
            .into_iter()
            .chain([pair.source_node(), pair.target_node()])
        {
            let from = cast.home_of_node(&node);
            let both = cast.homes[from].resident().zip(cast.homes[here].resident());
            let Some((from, to)) = both.filter(|_| from != here) else {
                continue;
            };
            let name = node.name().to_owned();
            drop(node);
            let moved = moving::set_aio_context(&cast.main, &name, from, to);
            if let Err(error) = moved {
                *pair.refused.borrow_mut() = Some(error.to_string());
            }
        }
    }
}

fn start_all(cast: &Rc<Cast>) {
    let config = &cast.config;
    let room = match config.get(Field::Room) {
        0 => 1 << 30,
        bytes => bytes as usize,
    };
    let pool = cast.world.spares.pool(room);
    for home in cast.homes.iter().filter(|_| cast.homes.len() > 1) {
        let is_here = Rc::ptr_eq(&home.jobs, &cast.jobs);
        let of_it = match is_here {
            true => pool.clone(),
            false => Rc::new(BufferPool::new(512, room)),
        };
        home.pool.get_or_init(|| of_it);
    }
    let txn = config.is(Field::Txn).then(JobTxn::new);
    // The jobs of a transaction start together: none has its turn before the others are there. And
    // between the moment of which a target is a copy and the start nobody writes.
    let together = txn.is_some() || config.get(Field::Sync) == SYNC_NONE;
    let can_start = |pair: &&Pair| pair.refused.borrow().is_none();
    let sources = cast.pairs.iter().filter(|_| together).filter(can_start);
    let drained: Vec<_> = sources
        .map(|pair| pair.source_node().drained_begin("operator"))
        .collect();
    for (number, pair) in (0..).zip(&cast.pairs) {
        if !can_start(&pair) {
            continue;
        }
        let mut options = options(config, &pair.job_id);
        options.speed *= 1 + number * config.get(Field::SpeedStep);
        if options.sync == MirrorSync::None {
            // Whoever asks for that says that the target is a copy already.
            pair.target
                .become_copy_of(&pair.source, pair.base.as_deref());
        }
        holder::start(cast, &pair.target_node());
        let started = mirror_start_in(
            &cast.home_of(pair).jobs,
            &pool,
            &pair.source_node(),
            &pair.target_node(),
            &options,
            txn.as_ref(),
        );
        match started {
            Ok((job, mirror)) => {
                let mut living = pair.living.borrow_mut();
                let before = living.job.replace(job);
                assert!(before.is_none(), "a pair's job starts once");
                living.mirror = Some(mirror);
            }
            Err(error) => *pair.refused.borrow_mut() = Some(error.to_string()),
        }
        probe::start(cast, number as usize);
    }
    drop(drained);
}

/// A second job of the same disk, which must be refused while the first one is there.
pub(crate) fn second_job(cast: &Cast, hub: &Rc<Hub>, pair: &Pair) -> Result<(), String> {
    let node = pair.device().node().ok_or("the device has no medium")?;
    let number = cast.extra.borrow().len();
    let Some(name) = EXTRA.get(number) else {
        return Err("there are enough jobs".to_owned());
    };
    let spec = target_spec(&cast.config);
    let disk = SimDisk::new(name, &cast.world, hub, cast.config.len_bytes(), spec);
    let home = cast.home_of(pair);
    let target = self::node(&home.graph, &disk, None);
    let pool = Rc::new(BufferPool::new(512, 1 << 30));
    // Its target is no copy of anything.
    let options = MirrorOptions {
        sync: MirrorSync::Full,
        backing_mode: MirrorBackingMode::Leave,
        ..options(&cast.config, name)
    };
    let started = mirror_start(&home.jobs, &pool, &node, &target, &options);
    let (job, _) = started.map_err(|error| error.to_string())?;
    cast.extra.borrow_mut().push(job);
    Ok(())
}

/// `blockdev-snapshot`: puts an overlay above what the device uses.
pub(crate) fn snapshot(cast: &Cast, pair: &Pair, number: u32) -> Result<(), String> {
    let node = pair.device().node().ok_or("the device has no medium")?;
    // Another command may have its turn while it is drained, where one comes while another one polls.
    let drained = (cast.homes.len() > 1).then(|| node.drained_begin("snapshot"));
    node.check_op(BlockOp::ExternalSnapshot)
        .map_err(|error| error.to_string())?;
    let len = node.len().map_err(|error| error.to_string())?;
    let overlay = OverlayOptions::new(len).build();
    let name = format!("overlay{number}");
    let graph = &cast.home_of(pair).graph;
    let overlay = graph.add_node(Some(&name), Box::new(overlay), false, &[]);
    let overlay = overlay.map_err(|error| error.to_string())?;
    let appended = graph.append(&overlay, "backing", ChildRole::Cow, &node);
    drop(drained);
    appended.map_err(|error| error.to_string())
}
