#![no_main]
//! A problem document of a service (RFC 9457).

use pennyblack_base::problem::Problem;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(json: &[u8]) {
    if let Ok(problem) = serde_json::from_slice::<Problem>(json) {
        let _ = problem.problem_type();
        assert_eq!(
            serde_json::from_str::<Problem>(&problem.to_json()).ok(),
            Some(problem)
        );
    }
}
