/// Skeleton.
fn main() {}
