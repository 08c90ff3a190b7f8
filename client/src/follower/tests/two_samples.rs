//! Whether two samples look as if they were drawn alike (Kolmogorov and Smirnov).

/// The probability of a difference as large as this one between two samples of the same
/// distribution: small when they differ.
pub(super) fn kolmogorov_smirnov(first: &[f64], second: &[f64]) -> f64 {
    let (mut first, mut second) = (first.to_vec(), second.to_vec());
    first.sort_by(f64::total_cmp);
    second.sort_by(f64::total_cmp);
    let share = |sample: &[f64], at: f64| {
        sample.partition_point(|value| *value <= at) as f64 / sample.len() as f64
    };
    let largest = first
        .iter()
        .chain(&second)
        .map(|at| (share(&first, *at) - share(&second, *at)).abs())
        .fold(0.0, f64::max);
    let (n, m) = (first.len() as f64, second.len() as f64);
    let root = (n * m / (n + m)).sqrt();
    let lambda = (root + 0.12 + 0.11 / root) * largest;
    let term = |k: f64| (-1_f64).powf(k - 1.0) * (-2.0 * (k * lambda).powi(2)).exp();
    if lambda < 0.2 {
        return 1.0;
    }
    (2.0 * (1..=100).map(|k| term(f64::from(k))).sum::<f64>()).clamp(0.0, 1.0)
}

#[test]
fn samples_that_differ_are_told_apart_and_those_that_do_not_are_not() {
    let even: Vec<_> = (0..500).map(|k| f64::from(k * 37 % 500)).collect();
    let shifted: Vec<_> = even.iter().map(|value| value + 60.0).collect();
    let other: Vec<_> = (0..500).map(|k| f64::from(k * 91 % 500) + 0.5).collect();
    assert!(kolmogorov_smirnov(&even, &other) > 0.9);
    assert!(kolmogorov_smirnov(&even, &shifted) < 0.01);
}
