// topologies/builders/torus.cpp
//
// A torus of one to three dimensions whose vertices are the devices (TPU v4: Jouppi et al. 2023, sections 2
// and 2.8). Device x + X (y + Y z) stands at (x, y, z). A device's bandwidth is that of all its links, two a
// dimension. Dimensions wrap round unless the torus is smaller than `wraps_from`; of two chips along a
// dimension one link joins them.
//
// A twisted torus of k x k x 2k wraps from x = k-1 (or y = k-1) to a place shifted by k along z, one of
// k x 2k x 2k wraps from x = k-1 to a place shifted by k along y and z (Camara et al. 2010). A torus is Z^3
// modulo the lattice of its wraps, so a shortest way is the shortest of the differences over the lattice,
// taken dimension by dimension. Of equally short ones the flow chooses, and so does it the order of the
// dimensions (fixed routing: x, y, z and the first).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "core/error.hpp"
#include "topologies/builders/builders.hpp"

namespace orrery::topologies {
namespace {

using Place = std::array<int, 3>;
constexpr std::array<std::array<int, 3>, 6> kOrders{
    {{0, 1, 2}, {1, 2, 0}, {2, 0, 1}, {0, 2, 1}, {1, 0, 2}, {2, 1, 0}}};
constexpr std::array<const char*, 3> kAxes{"x", "y", "z"};

class Torus : public Router {
  public:
    Torus(GraphWriter& writer, const Cluster& cluster) : fabric(cluster.fabric), name(cluster.name) {
        const auto devices = static_cast<std::uint32_t>(cluster.devices());
        const auto sides = torus_shape(fabric, devices);
        for (std::size_t d = 0; d < 3; ++d) {
            size[d] = static_cast<int>(sides[d]);
            wraps[d] = size[d] > 2 && devices >= static_cast<std::uint32_t>(fabric.wraps_from);
        }
        if (fabric.twisted) set_twist();
        const Cable cable{cluster.node.gpu_link_bandwidth / (2 * fabric.dimensions),
                          cluster.node.gpu_link_latency_s, Tier::ici};
        for (std::size_t d = 0; d < 3; ++d) add_cables(writer, d, cable);
        for (const PlacedNodes& placed : placed_nodes(cluster)) hosts.emplace_back(writer, placed);
        per_host = static_cast<std::uint32_t>(cluster.node.gpus);
    }

    void route(std::uint32_t from, std::uint32_t to, std::uint64_t flow, Way& way) const override {
        Place at = place(from);
        const bool fixed = fabric.routing == Routing::fixed;
        const Place steps = difference(at, place(to), fixed ? 0 : spread(flow));
        for (const int axis : kOrders[fixed ? 0 : spread(flow + 1) % kOrders.size()]) {
            const auto d = static_cast<std::size_t>(axis);
            for (int left = std::abs(steps[d]); left > 0; --left) way.push_back(step(at, d, steps[d] > 0));
        }
    }

    void host_route(std::uint32_t device, bool to_host, Way& way) const override {
        hosts.front().host(device / per_host, device % per_host, to_host, way);
    }

  private:
    void set_twist() {
        const int k = size[0];
        if (size == Place{k, k, 2 * k}) {
            twist[0] = twist[1] = {0, 0, k};
        } else if (size == Place{k, 2 * k, 2 * k}) {
            twist[0] = {0, k, k};
        } else {
            throw ExperimentError(fmt::format(
                "cluster {}: a torus of {} x {} x {} cannot be twisted; expected k x k x 2k or k x 2k x 2k",
                name, size[0], size[1], size[2]));
        }
        if (!wraps[0])
            throw ExperimentError(
                fmt::format("cluster {}: a torus without wrap-around cannot be twisted", name));
    }

    [[nodiscard]] std::uint32_t number(const Place& at) const {
        return static_cast<std::uint32_t>(at[0] + size[0] * (at[1] + size[1] * at[2]));
    }
    [[nodiscard]] Place place(std::uint32_t device) const {
        const auto n = static_cast<int>(device);
        return {n % size[0], n / size[0] % size[1], n / size[0] / size[1]};
    }

    /// Cables along a dimension stand in the order of the device at their lower end; without a wrap those at
    /// the far side are left out.
    [[nodiscard]] std::uint32_t cable(const Place& lower, std::size_t d) const {
        Place ends = size;
        if (!wraps[d]) --ends[d];
        return static_cast<std::uint32_t>(lower[0] + ends[0] * (lower[1] + ends[1] * lower[2]));
    }

    void add_cables(GraphWriter& writer, std::size_t d, const Cable& cable_kind) {
        Place ends = size;
        if (!wraps[d]) --ends[d];
        writer.begin_cables([ends, d](std::uint32_t index) {
            const auto n = static_cast<int>(index);
            return fmt::format("chip {},{},{} {}", n % ends[0], n / ends[0] % ends[1], n / ends[0] / ends[1],
                               kAxes[d]);
        });
        first_link[d] = writer.graph().links();
        Place at{};
        for (at[2] = 0; at[2] < ends[2]; ++at[2])
            for (at[1] = 0; at[1] < ends[1]; ++at[1])
                for (at[0] = 0; at[0] < ends[0]; ++at[0]) {
                    Place next = at;
                    move(next, d, true);
                    writer.connect(number(at), number(next), cable_kind);
                }
    }

    /// One step along a dimension, over the wrap with its twist.
    void move(Place& at, std::size_t d, bool forward) const {
        const int by = forward ? 1 : -1;
        at[d] += by;
        if (at[d] >= 0 && at[d] < size[d]) return;
        at[d] -= by * size[d];
        for (std::size_t other = 0; other < 3; ++other)
            at[other] = (at[other] + by * twist[d][other] + size[other]) % size[other];
    }

    LinkId step(Place& at, std::size_t d, bool forward) const {
        const Place before = at;
        move(at, d, forward);
        return first_link[d] + 2 * cable(forward ? before : at, d) + (forward ? 0 : 1);
    }

    /// The steps along each dimension of a shortest way; of several the one that `choice` names.
    [[nodiscard]] Place difference(const Place& from, const Place& to, std::uint64_t choice) const {
        std::array<Place, 64> best;  // at most two ways round in each of three dimensions, doubled by twists
        std::size_t found = 0;
        int least = 0;
        for (int i = wraps[0] ? -1 : 0; i <= (wraps[0] ? 1 : 0); ++i)
            for (int j = wraps[1] ? -2 : 0; j <= (wraps[1] ? 2 : 0); ++j)
                for (int k = wraps[2] ? -2 : 0; k <= (wraps[2] ? 2 : 0); ++k) {
                    Place way;
                    for (std::size_t d = 0; d < 3; ++d) {
                        // Going round once forward is the same as standing still, shifted by the twist.
                        way[d] = to[d] - from[d] - i * twist[0][d] - j * twist[1][d];
                    }
                    way[0] += i * size[0];
                    way[1] += j * size[1];
                    way[2] += k * size[2];
                    const int length = std::abs(way[0]) + std::abs(way[1]) + std::abs(way[2]);
                    if (found > 0 && length > least) continue;
                    if (found == 0 || length < least) found = 0;
                    least = length;
                    if (found < best.size()) best[found++] = way;
                }
        return best[choice % found];
    }

    Fabric fabric;
    std::string name;
    Place size{1, 1, 1};
    std::array<bool, 3> wraps{};
    std::array<Place, 3> twist{};  ///< [dimension] by how much its wrap shifts
    std::array<LinkId, 3> first_link{};
    std::vector<PcieTree> hosts;
    std::uint32_t per_host = 1;
};

}  // namespace

std::array<std::uint32_t, 3> torus_shape(const Fabric& fabric, std::uint32_t devices) {
    const auto dimensions = static_cast<std::size_t>(std::clamp(fabric.dimensions, 1, 3));
    std::array<std::uint32_t, 3> sides{1, 1, 1};
    if (fabric.shape[0] > 0) {
        std::uint64_t product = 1;
        for (std::size_t d = 0; d < 3; ++d) {
            sides[d] = static_cast<std::uint32_t>(std::max(1, fabric.shape[d]));
            product *= sides[d];
        }
        if (product != devices)
            throw ExperimentError(fmt::format("a torus of {} x {} x {} has {} chips, the cluster {}",
                                              sides[0], sides[1], sides[2], product, devices));
        return sides;
    }
    // Sides that are multiples of 4 first, then the shape whose longest side is shortest.
    std::uint64_t best = ~std::uint64_t{0};
    const std::uint32_t most_x = dimensions > 2 ? devices : 1;
    for (std::uint32_t x = 1; x <= most_x && std::uint64_t{x} * x * x <= devices; ++x) {
        if (devices % x != 0) continue;
        const std::uint32_t rest = devices / x;
        const std::uint32_t most_y = dimensions > 1 ? rest : 1;
        for (std::uint32_t y = x; y <= most_y && std::uint64_t{y} * y <= rest; ++y) {
            if (rest % y != 0) continue;
            const std::array<std::uint32_t, 3> shape = dimensions > 2   ? std::array{x, y, rest / y}
                                                       : dimensions > 1 ? std::array{y, rest / y, 1U}
                                                                        : std::array{devices, 1U, 1U};
            const bool cubes =
                std::all_of(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(dimensions),
                            [](std::uint32_t side) { return side % 4 == 0; });
            const std::uint64_t rank = (cubes ? 0 : std::uint64_t{1} << 40U) + rest / y;
            if (rank >= best) continue;
            best = rank;
            sides = shape;
        }
    }
    return sides;
}

Graph build_torus(const Cluster& cluster) {
    GraphWriter writer(cluster.name, static_cast<std::uint32_t>(cluster.devices()), numbered("chip {}"));
    auto torus = std::make_shared<Torus>(writer, cluster);
    return writer.finish(std::move(torus));
}

}  // namespace orrery::topologies
