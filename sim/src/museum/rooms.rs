//! The scenarios of the rooms: what makes each bug possible.

/// The scenario for the exhibit `id`.
pub(super) fn text(id: &str) -> Option<&'static str> {
    let room = ROOMS.iter().find(|(known, _)| *known == id);
    room.map(|(_, text)| *text)
}

const ROOMS: &[(&str, &str)] = &[
    ("MIR-02", include_str!("../../scenarios/museum/MIR-02.txt")),
    ("MIR-07", include_str!("../../scenarios/museum/MIR-07.txt")),
    ("MIR-01", include_str!("../../scenarios/museum/MIR-01.txt")),
    ("MIR-08", include_str!("../../scenarios/museum/MIR-08.txt")),
    (
        "MIR-04a",
        include_str!("../../scenarios/museum/MIR-04a.txt"),
    ),
    (
        "MIR-04b",
        include_str!("../../scenarios/museum/MIR-04b.txt"),
    ),
    ("MIR-03", include_str!("../../scenarios/museum/MIR-03.txt")),
    ("MIR-05", include_str!("../../scenarios/museum/MIR-05.txt")),
    (
        "MIR-06a",
        include_str!("../../scenarios/museum/MIR-06a.txt"),
    ),
    (
        "MIR-06b",
        include_str!("../../scenarios/museum/MIR-06b.txt"),
    ),
    ("MIR-10", include_str!("../../scenarios/museum/MIR-10.txt")),
    ("JOB-01", include_str!("../../scenarios/museum/JOB-01.txt")),
    ("JOB-02", include_str!("../../scenarios/museum/JOB-02.txt")),
    (
        "JOB-03a",
        include_str!("../../scenarios/museum/JOB-03a.txt"),
    ),
    (
        "JOB-03b",
        include_str!("../../scenarios/museum/JOB-03b.txt"),
    ),
    ("JOB-04", include_str!("../../scenarios/museum/JOB-04.txt")),
    ("JOB-05", include_str!("../../scenarios/museum/JOB-05.txt")),
    ("DRN-01", include_str!("../../scenarios/museum/DRN-01.txt")),
    ("DRN-09", include_str!("../../scenarios/museum/DRN-09.txt")),
    ("AIO-05", include_str!("../../scenarios/museum/AIO-05.txt")),
    ("THR-04", include_str!("../../scenarios/museum/THR-04.txt")),
    ("HZ-01", include_str!("../../scenarios/museum/HZ-01.txt")),
    ("HZ-02", include_str!("../../scenarios/museum/HZ-02.txt")),
    ("HZ-03", include_str!("../../scenarios/museum/HZ-03.txt")),
    ("HZ-04", include_str!("../../scenarios/museum/HZ-04.txt")),
];
