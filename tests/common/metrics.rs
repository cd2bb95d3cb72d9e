//! What monitors would see: values of a page of metrics.

/// The sum of all values of this name with these labels; 0 if nothing was counted yet.
pub(crate) fn value(page: &str, name: &str, labels: &[(&str, &str)]) -> u64 {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (found, rest) = series.split_once('{').unwrap_or((series, ""));
        let has = |(label, wanted): &(&str, &str)| rest.contains(&format!("{label}=\"{wanted}\""));
        (found == name && labels.iter().all(has)).then(|| value.parse::<u64>().ok())?
    });
    samples.sum()
}
