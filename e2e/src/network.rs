//! Addresses of a cluster: everything follows from its index, so that several clusters stand side by side.

use std::net::Ipv4Addr;

/// How many clusters one machine can hold.
pub const MOST: u8 = 16;

/// The bridge inside the cluster's network namespace; its address is the node's.
pub const BRIDGE: &str = "mrbr0";

/// The cluster's end of the veth pair.
pub const UPLINK: &str = "uplink";

/// Where the gateway's HTTP port is on the node.
pub const GATEWAY_PORT: u16 = 30080;

/// Where the admin port of the gateway's Envoy is on the node.
pub const ENVOY_ADMIN_PORT: u16 = 31500;

/// An IPv4 subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    /// Its first address.
    pub base: Ipv4Addr,
    /// Its prefix length.
    pub bits: u8,
}

impl Subnet {
    /// Whether the two have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        let shift = 32 - u32::from(self.bits.min(other.bits));
        let prefix = |subnet: Self| u64::from(subnet.base.to_bits()) >> shift;
        prefix(self) == prefix(other)
    }

    /// The address `offset` after the first.
    pub fn address(self, offset: u8) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base.to_bits() + u32::from(offset))
    }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.base, self.bits)
    }
}

/// The addresses and machine-wide names of one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Which of the machine's clusters this is, below [`MOST`].
    pub index: u8,
}

impl Network {
    /// The pair of addresses between host and cluster.
    pub fn link(self) -> Subnet {
        Subnet { base: Ipv4Addr::new(10, 213, self.index, 0), bits: 30 }
    }

    /// The addresses of node and pods.
    pub fn pods(self) -> Subnet {
        Subnet { base: Ipv4Addr::new(10, 214, self.index, 0), bits: 24 }
    }

    /// The addresses of Services: room for thousands.
    pub fn services(self) -> Subnet {
        Subnet { base: Ipv4Addr::new(10, 215, self.index * 16, 0), bits: 20 }
    }

    /// The host's end of the link.
    pub fn host(self) -> Ipv4Addr {
        self.link().address(1)
    }

    /// The cluster's end of the link.
    pub fn uplink(self) -> Ipv4Addr {
        self.link().address(2)
    }

    /// The node's address, where everything that runs beside the cluster listens too.
    pub fn node(self) -> Ipv4Addr {
        self.pods().address(1)
    }

    /// The address of the Service `kubernetes`.
    pub fn api_service(self) -> Ipv4Addr {
        self.services().address(1)
    }

    /// The host's end of the veth pair.
    pub fn interface(self) -> String {
        format!("mrtestbed{}", self.index)
    }

    /// The cluster's cgroup, in every hierarchy.
    pub fn cgroup(self) -> String {
        format!("mrtestbed{}", self.index)
    }

    fn subnets(self) -> [Subnet; 3] {
        [self.link(), self.pods(), self.services()]
    }
}

/// The first network that no registered cluster has and that overlaps no route of the host.
pub fn choose(taken: &[u8], routes: &[Subnet]) -> Option<Network> {
    (0..MOST).map(|index| Network { index }).find(|network| {
        let collides = |subnet: Subnet| routes.iter().any(|route| route.overlaps(subnet));
        !taken.contains(&network.index) && !network.subnets().into_iter().any(collides)
    })
}

/// The routes in the text of `/proc/net/route`, without the default route.
pub fn parse_routes(text: &str) -> Vec<Subnet> {
    let route = |line: &str| {
        let mut fields = line.split_whitespace();
        let base = u32::from_str_radix(fields.nth(1)?, 16).ok()?.swap_bytes();
        let mask = u32::from_str_radix(fields.nth(5)?, 16).ok()?.swap_bytes();
        (mask != 0).then(|| Subnet {
            base: Ipv4Addr::from_bits(base),
            bits: u8::try_from(mask.leading_ones()).unwrap_or(32),
        })
    };
    text.lines().skip(1).filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_clusters_share_an_address() {
        let all: Vec<Subnet> = (0..MOST).flat_map(|index| Network { index }.subnets()).collect();
        for (position, one) in all.iter().enumerate() {
            assert!(all.iter().skip(position + 1).all(|other| !one.overlaps(*other)), "{one}");
        }
    }

    #[test]
    fn a_taken_index_and_a_route_of_the_host_are_both_passed_over() {
        let routes = [Subnet { base: Ipv4Addr::new(10, 214, 1, 128), bits: 25 }];
        assert_eq!(choose(&[0], &routes), Some(Network { index: 2 }));
    }

    #[test]
    fn a_host_that_uses_the_whole_range_gets_no_cluster() {
        assert_eq!(choose(&[], &[Subnet { base: Ipv4Addr::new(10, 0, 0, 0), bits: 8 }]), None);
    }

    #[test]
    fn routes_are_read_as_the_kernel_writes_them() {
        let text = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
                    eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n\
                    eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n";
        assert_eq!(parse_routes(text), [Subnet { base: Ipv4Addr::new(192, 0, 2, 0), bits: 24 }]);
    }

    #[test]
    fn overlap_is_seen_both_ways_and_by_the_default_route() {
        let wide = Subnet { base: Ipv4Addr::new(10, 0, 0, 0), bits: 8 };
        let narrow = Subnet { base: Ipv4Addr::new(10, 1, 2, 0), bits: 24 };
        let other = Subnet { base: Ipv4Addr::new(11, 0, 0, 0), bits: 8 };
        let default = Subnet { base: Ipv4Addr::UNSPECIFIED, bits: 0 };
        assert!(wide.overlaps(narrow) && narrow.overlaps(wide) && default.overlaps(other));
        assert!(!wide.overlaps(other));
    }
}
