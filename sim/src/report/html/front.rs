//! The Pareto front: the runs that no other run beats in both of two things.

/// Positions of the runs on the front, from the lowest `x` to the highest; less is better in both.
/// A run without a value is not on it. Of equal runs, all are.
pub fn front(points: &[Option<(f64, f64)>]) -> Vec<usize> {
    let beaten = |(x, y): (f64, f64)| {
        points.iter().flatten().any(|&(a, b)| a <= x && b <= y && (a < x || b < y))
    };
    let mut front: Vec<(usize, (f64, f64))> = points
        .iter()
        .enumerate()
        .filter_map(|(run, point)| Some((run, (*point)?)))
        .filter(|&(_, point)| !beaten(point))
        .collect();
    front.sort_by(|(_, a), (_, b)| a.0.total_cmp(&b.0));
    front.into_iter().map(|(run, _)| run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_beaten_in_both_is_not_on_the_front() {
        let points = [
            Some((0.0, 10.0)),
            Some((2.0, 8.0)),
            // Later and dirtier than the one before.
            Some((3.0, 9.0)),
            None,
            Some((1.0, 9.5)),
            // As late as the second, dirtier.
            Some((2.0, 8.5)),
        ];
        assert_eq!(front(&points), [0, 4, 1]);
    }

    #[test]
    fn equal_runs_are_all_on_it() {
        assert_eq!(front(&[Some((1.0, 1.0)), Some((1.0, 1.0))]), [0, 1]);
        assert_eq!(front(&[]), Vec::<usize>::new());
    }
}
