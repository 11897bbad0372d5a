//! What the path of a control group says: the container, and the systemd unit.
//!
//! The path is hostile text; only names of the shapes that runtimes give are taken.

/// The container and the unit of a control group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Place {
    /// The identifier of a container, or its name where the path has that.
    pub(super) container: Option<String>,
    /// The systemd unit.
    pub(super) unit: Option<String>,
}

/// What comes before the identifier in the name of a scope.
const RUNTIMES: [&str; 6] = [
    "docker-",
    "libpod-",
    "cri-containerd-",
    "nerdctl-",
    "crio-",
    "containerd-",
];
/// What comes before the name of a container.
const NAMED: [&str; 2] = ["lxc.payload.", "machine-"];

impl Place {
    /// What a path says.
    pub(super) fn of(path: &str) -> Self {
        let parts = || path.rsplit('/').filter(|part| !part.is_empty());
        let scope = |part: &str| {
            let name = part.strip_suffix(".scope").unwrap_or(part);
            let id = RUNTIMES
                .iter()
                .find_map(|runtime| name.strip_prefix(runtime));
            id.filter(|id| is_id(id)).map(str::to_owned)
        };
        let named = |part: &str| {
            let name = part.strip_suffix(".scope").unwrap_or(part);
            let name = NAMED.iter().find_map(|kind| name.strip_prefix(kind))?;
            (!name.is_empty() && name.len() <= 64).then(|| name.to_owned())
        };
        // `/docker/ID`, as with cgroupfs as the driver.
        let plain = || {
            let mut parts = path.split('/').skip_while(|part| *part != "docker");
            parts.nth(1).filter(|id| is_id(id)).map(str::to_owned)
        };
        let container = parts().find_map(scope);
        let container = container.or_else(|| parts().find_map(named)).or_else(plain);
        let unit = parts().find(|part| part.ends_with(".service"));
        Self {
            unit: unit.filter(|_| container.is_none()).map(str::to_owned),
            container,
        }
    }
}

fn is_id(text: &str) -> bool {
    (12..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_and_units_are_told_by_the_shape_of_the_path() {
        let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let scope = |text: &str| (Some(text.to_owned()), None);
        let unit = |text: &str| (None, Some(text.to_owned()));
        for (path, wanted) in [
            (format!("/system.slice/docker-{id}.scope"), scope(id)),
            (format!("/docker/{id}"), scope(id)),
            (format!("/docker/{id}/init.scope"), scope(id)),
            (
                format!("/machine.slice/libpod-{id}.scope/container"),
                scope(id),
            ),
            (
                format!("/kubepods.slice/pod1.slice/cri-containerd-{id}.scope"),
                scope(id),
            ),
            ("/lxc.payload.web/system.slice".into(), scope("web")),
            ("/machine.slice/machine-web.scope".into(), scope("web")),
            ("/system.slice/nginx.service".into(), unit("nginx.service")),
            ("/user.slice/docker-notanid.scope".into(), (None, None)),
            ("/".into(), (None, None)),
            (String::new(), (None, None)),
            ("/docker".into(), (None, None)),
        ] {
            let place = Place::of(&path);
            assert_eq!((place.container, place.unit), wanted, "{path}");
        }
    }
}
