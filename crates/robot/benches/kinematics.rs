//! Times of forward kinematics, Jacobian and inverse kinematics on mobi: `cargo bench -p sinew-robot`.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use nalgebra::Isometry3;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sinew_robot::{IkOptions, IkSolver, Kinematics, RobotModel};

fn kinematics(criterion: &mut Criterion) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../urdf/mobi.robot.yaml");
    let model = RobotModel::load(path).expect("mobi is shipped with this crate");
    let arm = model.group("arm").expect("mobi has an arm");
    let ready = arm.configuration("ready").expect("the arm has a configuration `ready`");
    let chain = model.chain("arm").expect("the arm is a chain");

    let mut whole = Kinematics::new(&model);
    let positions = vec![0.1; model.joints().len()];
    criterion.bench_function("forward kinematics, all links", |bench| {
        bench.iter(|| whole.update(black_box(&positions)).expect("one position per joint"));
    });
    criterion.bench_function("forward kinematics, arm", |bench| {
        bench.iter(|| chain.base_from_tool(black_box(ready)).expect("one position per joint"));
    });
    let mut jacobian = chain.new_jacobian();
    criterion.bench_function("jacobian, arm", |bench| {
        bench.iter(|| {
            chain.jacobian(black_box(ready), &mut jacobian).expect("one position per joint")
        });
    });

    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut targets = |spread: f64| -> Vec<Isometry3<f64>> {
        (0..256)
            .map(|_| {
                let positions: Vec<f64> = chain
                    .limits()
                    .zip(ready)
                    .map(|(limits, near)| match spread {
                        spread if spread > 0.0 => {
                            limits.clamp(near + random.random_range(-spread..=spread))
                        }
                        _ => random.random_range(limits.lower..=limits.upper),
                    })
                    .collect();
                chain.base_from_tool(&positions).expect("one position per joint")
            })
            .collect()
    };
    for (name, targets) in [
        ("inverse kinematics, near by", targets(0.2)),
        ("inverse kinematics, anywhere", targets(0.0)),
    ] {
        let mut solver = IkSolver::new(chain.clone(), IkOptions::default());
        let mut solution = [0.0; 6];
        let mut next = targets.iter().cycle();
        criterion.bench_function(name, |bench| {
            bench
                .iter(|| next.next().map(|target| solver.solve_into(target, ready, &mut solution)));
        });
    }
}

criterion_group!(benches, kinematics);
criterion_main!(benches);
