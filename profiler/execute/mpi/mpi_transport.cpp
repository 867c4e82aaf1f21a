// Operations of a program between the processes of an MPI job. Non-blocking, and a rendezvous each: beside
// its data every operation carries the members' arrivals (a small all-reduce of maxima; between two members
// an exchange), so that all know when the last one came, and nobody's part has ended before. Sends are
// synchronous.
#include <mpi.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "core/error.hpp"
#include "profiler/communication/mpi/job.hpp"
#include "profiler/execute/mpi/plugin.hpp"

namespace orrery::profiler {
namespace {

using sim::Collective;
using sim::CollectiveKind;

constexpr int kRoundTrips = 64;

/// What the members tell each other; maxima over them are taken of each field. Fields that must be equal
/// stand there with both signs.
struct Stamp {
    double arrival_s = 0;
    double issued_end_s = 0;
    double work = 0, minus_work = 0;
    double sequence = 0, minus_sequence = 0;
    double sends = 0, minus_sends = 0;
};
constexpr int kStampSize = 8;
static_assert(sizeof(Stamp) == kStampSize * sizeof(double));

Stamp maxima(const Stamp& a, const Stamp& b) {
    return {std::max(a.arrival_s, b.arrival_s), std::max(a.issued_end_s, b.issued_end_s),
            std::max(a.work, b.work),           std::max(a.minus_work, b.minus_work),
            std::max(a.sequence, b.sequence),   std::max(a.minus_sequence, b.minus_sequence),
            std::max(a.sends, b.sends),         std::max(a.minus_sends, b.minus_sends)};
}

double monotonic() {
    timespec at{};
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return static_cast<double>(at.tv_sec) + 1e-9 * static_cast<double>(at.tv_nsec);
}

/// One operation in flight. Buffers are kept from one to the next.
struct Slot {
    Posting posting;
    Stamp mine, all;
    bool pair = false;
    std::vector<MPI_Request> requests;
    std::vector<float> send, receive;
    std::vector<int> send_counts, send_offsets, receive_counts, receive_offsets;
};

class MpiTransport final : public Transport {
  public:
    MpiTransport() : job_(mpi_job()) { align_clock(); }
    ~MpiTransport() override { free_communicators(); }

    [[nodiscard]] int rank() const override { return job_.rank; }
    [[nodiscard]] int size() const override { return job_.size; }

    [[nodiscard]] std::string describe() override {
        std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> library{};
        std::array<char, MPI_MAX_PROCESSOR_NAME> host{};
        int length = 0;
        (void)MPI_Get_library_version(library.data(), &length);
        (void)MPI_Get_processor_name(host.data(), &length);
        const std::string words(library.data());
        const std::string where = one_host_ ? std::string(" on ") + host.data() : " on several hosts";
        return std::to_string(job_.size) + " processes" + where + ", " +
               words.substr(0, words.find_first_of(",\n"));
    }

    void barrier(double timeout_s) override {
        MPI_Request all = MPI_REQUEST_NULL;
        ORRERY_MPI(MPI_Ibarrier(MPI_COMM_WORLD, &all));
        const double begin = monotonic();
        for (int done = 0; done == 0;) {
            ORRERY_MPI(MPI_Test(&all, &done, MPI_STATUS_IGNORE));
            if (done != 0) return;
            if (monotonic() - begin > timeout_s)
                throw ExperimentError("rank " + std::to_string(job_.rank) +
                                      " has waited for the other ranks between two steps for " +
                                      std::to_string(static_cast<long>(timeout_s)) + " s");
            const timespec nap{0, 50'000};
            (void)nanosleep(&nap, nullptr);
        }
    }

    void broadcast(std::string& bytes) override {
        std::uint64_t size = bytes.size();
        ORRERY_MPI(MPI_Bcast(&size, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD));
        bytes.resize(size);
        constexpr std::uint64_t kPart = 1U << 30U;
        for (std::uint64_t at = 0; at < size; at += kPart)
            ORRERY_MPI(MPI_Bcast(bytes.data() + at, static_cast<int>(std::min(kPart, size - at)), MPI_BYTE, 0,
                                 MPI_COMM_WORLD));
    }

    std::vector<std::string> gather(const std::string& bytes) override {
        constexpr int kTag = 1;
        if (job_.rank != 0) {
            ORRERY_MPI(MPI_Send(bytes.data(), count(bytes.size()), MPI_BYTE, 0, kTag, MPI_COMM_WORLD));
            return {};
        }
        std::vector<std::string> all{bytes};
        for (int from = 1; from < job_.size; ++from) {
            MPI_Status status;
            ORRERY_MPI(MPI_Probe(from, kTag, MPI_COMM_WORLD, &status));
            int size = 0;
            ORRERY_MPI(MPI_Get_count(&status, MPI_BYTE, &size));
            std::string& text = all.emplace_back(static_cast<std::size_t>(size), '\0');
            ORRERY_MPI(MPI_Recv(text.data(), size, MPI_BYTE, from, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
        }
        return all;
    }

    [[nodiscard]] double now() const override { return monotonic() - offset_s_; }

    void use(const sim::Program& program, std::uint64_t most_bytes) override {
        free_communicators();
        program_ = &program;
        most_elements_ = most_bytes == 0 ? std::numeric_limits<double>::infinity()
                                         : std::max(1.0, static_cast<double>(most_bytes) / sizeof(float));
        slots_.clear();
        slots_.resize(program.program_of(sim::RankId(static_cast<std::size_t>(job_.rank))).streams.size());
        communicators_.assign(program.communicators.size(), MPI_COMM_NULL);
        const std::vector<bool> needed = communicators_with_collectives();
        MPI_Group world = MPI_GROUP_NULL;
        ORRERY_MPI(MPI_Comm_group(MPI_COMM_WORLD, &world));
        // In the order of their numbers on all ranks: nobody waits in a circle.
        for (std::size_t c = 0; c < needed.size(); ++c) {
            if (needed[c]) create(c, world);
        }
        ORRERY_MPI(MPI_Group_free(&world));
    }

    void post(std::size_t stream, const Posting& posting) override {
        Slot& slot = slots_[stream];
        slot.posting = posting;
        const double work = posting.work_id;
        const double sequence = posting.sequence;
        const double sends = posting.sends ? 1 : 0;
        slot.mine = {
            posting.arrival_s, posting.issued_end_s, work, -work, sequence, -sequence, sends, -sends};
        slot.all = slot.mine;
        slot.requests.clear();
        const std::vector<sim::RankId>& members = program_->communicators[posting.communicator()].members;
        slot.pair = posting.work->kind == CollectiveKind::send_recv;
        if (members.size() < 2) return;
        if (slot.pair) {
            post_pair(slot, members);
        } else {
            post_collective(slot, static_cast<int>(members.size()));
        }
    }

    bool ended(std::size_t stream, Meeting& meeting) override {
        Slot& slot = slots_[stream];
        int done = 0;
        ORRERY_MPI(MPI_Testall(static_cast<int>(slot.requests.size()), slot.requests.data(), &done,
                               MPI_STATUSES_IGNORE));
        if (done == 0) return false;
        if (slot.pair && !slot.requests.empty()) slot.all = maxima(slot.all, slot.mine);
        const Stamp& all = slot.all;
        const bool same = all.work == -all.minus_work && all.sequence == -all.minus_sequence;
        // Of a pair exactly one sends: the maxima of 1 and 0 and of -1 and -0.
        const bool directed = !slot.pair || slot.requests.empty() || (all.sends == 1 && all.minus_sends == 0);
        if (!same || !directed) {
            throw ExperimentError(
                "communicator '" + program_->communicators[slot.posting.communicator()].name +
                "': its members are not at the same operation (number " +
                std::to_string(slot.posting.sequence) + " on rank " + std::to_string(job_.rank) + ")");
        }
        meeting.met_s = all.arrival_s;
        meeting.issued_end_s = all.issued_end_s;
        return true;
    }

    void abort(int status) override { (void)MPI_Abort(MPI_COMM_WORLD, status); }

  private:
    static int count(std::size_t bytes) {
        if (bytes > static_cast<std::size_t>(std::numeric_limits<int>::max()))
            throw ExperimentError("a message of " + std::to_string(bytes) + " bytes is too large for MPI");
        return static_cast<int>(bytes);
    }

    /// Elements (fp32) of a message of so many bytes; at least one of any message that is not empty.
    [[nodiscard]] int elements(double bytes) const {
        if (!(bytes > 0)) return 0;
        return count(static_cast<std::size_t>(
            std::min(std::max(std::floor(bytes / sizeof(float)), 1.0), most_elements_)));
    }

    /// Communicators of more than pairs that send and receive.
    [[nodiscard]] std::vector<bool> communicators_with_collectives() const {
        std::vector<bool> needed(program_->communicators.size(), false);
        for (const sim::Rank& rank : program_->ranks) {
            const sim::RankProgram& tasks = program_->rank_programs[rank.program];
            for (std::size_t task = 0; task < tasks.size(); ++task) {
                if (tasks.communicator_slot[task] == sim::kNoCommunicator) continue;
                const std::size_t c = rank.communicators[tasks.communicator_slot[task]]();
                const auto* work = std::get_if<Collective>(&program_->works[tasks.work[task]()]);
                if (work != nullptr && work->kind != CollectiveKind::send_recv &&
                    program_->communicators[c].members.size() > 1)
                    needed[c] = true;
            }
        }
        return needed;
    }

    void create(std::size_t c, MPI_Group world) {
        std::vector<int> ranks;
        for (const sim::RankId member : program_->communicators[c].members)
            ranks.push_back(static_cast<int>(member.value));
        if (std::find(ranks.begin(), ranks.end(), job_.rank) == ranks.end()) return;
        MPI_Group group = MPI_GROUP_NULL;
        ORRERY_MPI(MPI_Group_incl(world, static_cast<int>(ranks.size()), ranks.data(), &group));
        ORRERY_MPI(
            MPI_Comm_create_group(MPI_COMM_WORLD, group, static_cast<int>(c % 32000), &communicators_[c]));
        ORRERY_MPI(MPI_Group_free(&group));
    }

    void free_communicators() {
        for (MPI_Comm& communicator : communicators_) {
            if (communicator != MPI_COMM_NULL) (void)MPI_Comm_free(&communicator);
        }
    }

    static MPI_Request* next_request(Slot& slot) { return &slot.requests.emplace_back(MPI_REQUEST_NULL); }

    /// Tags: two a communicator; messages of one pass each other nowhere.
    void post_pair(Slot& slot, const std::vector<sim::RankId>& members) {
        const bool first = static_cast<int>(members[0].value) == job_.rank;
        const int peer = static_cast<int>(members[first ? 1 : 0].value);
        const int tag = 2 + 2 * static_cast<int>(slot.posting.communicator.value);
        slot.requests.reserve(3);
        ORRERY_MPI(
            MPI_Irecv(&slot.all, kStampSize, MPI_DOUBLE, peer, tag, MPI_COMM_WORLD, next_request(slot)));
        ORRERY_MPI(
            MPI_Isend(&slot.mine, kStampSize, MPI_DOUBLE, peer, tag, MPI_COMM_WORLD, next_request(slot)));
        const int size = elements(slot.posting.work->bytes);
        if (slot.posting.sends) {
            fill(slot.send, size);
            ORRERY_MPI(MPI_Issend(slot.send.data(), size, MPI_FLOAT, peer, tag + 1, MPI_COMM_WORLD,
                                  next_request(slot)));
        } else {
            fill(slot.receive, size);
            ORRERY_MPI(MPI_Irecv(slot.receive.data(), size, MPI_FLOAT, peer, tag + 1, MPI_COMM_WORLD,
                                 next_request(slot)));
        }
    }

    static void fill(std::vector<float>& buffer, int size) {
        if (buffer.size() < static_cast<std::size_t>(size))
            buffer.resize(static_cast<std::size_t>(size), 1.0F);
    }

    void post_collective(Slot& slot, int n) {
        const MPI_Comm group = communicators_[slot.posting.communicator()];
        slot.requests.reserve(2);
        ORRERY_MPI(MPI_Iallreduce(&slot.mine, &slot.all, kStampSize, MPI_DOUBLE, MPI_MAX, group,
                                  next_request(slot)));
        post_data(slot, group, n);
    }

    /// Sizes as sim::Collective::bytes has them. The first member is the root.
    void post_data(Slot& slot, MPI_Comm group, int n) {
        const Collective& work = *slot.posting.work;
        const int all = elements(work.bytes);
        const int share = elements(work.bytes / n);
        const bool divided = work.kind != CollectiveKind::all_reduce &&
                             work.kind != CollectiveKind::broadcast && work.kind != CollectiveKind::reduce;
        const int size = divided ? count(static_cast<std::size_t>(share) * static_cast<std::size_t>(n)) : all;
        fill(slot.send, size);
        fill(slot.receive, size);
        float* const send = slot.send.data();
        float* const receive = slot.receive.data();
        switch (work.kind) {
            case CollectiveKind::all_reduce:
                return ORRERY_MPI(
                    MPI_Iallreduce(send, receive, all, MPI_FLOAT, MPI_SUM, group, next_request(slot)));
            case CollectiveKind::all_gather:
                return ORRERY_MPI(MPI_Iallgather(send, share, MPI_FLOAT, receive, share, MPI_FLOAT, group,
                                                 next_request(slot)));
            case CollectiveKind::reduce_scatter:
                return ORRERY_MPI(MPI_Ireduce_scatter_block(send, receive, share, MPI_FLOAT, MPI_SUM, group,
                                                            next_request(slot)));
            case CollectiveKind::broadcast:
                return ORRERY_MPI(MPI_Ibcast(send, all, MPI_FLOAT, 0, group, next_request(slot)));
            case CollectiveKind::reduce:
                return ORRERY_MPI(
                    MPI_Ireduce(send, receive, all, MPI_FLOAT, MPI_SUM, 0, group, next_request(slot)));
            case CollectiveKind::all_to_all:
                return ORRERY_MPI(MPI_Ialltoall(send, share, MPI_FLOAT, receive, share, MPI_FLOAT, group,
                                                next_request(slot)));
            case CollectiveKind::all_to_all_v:
                return post_all_to_all_v(slot, group, n);
            case CollectiveKind::gather:
                return ORRERY_MPI(MPI_Igather(send, share, MPI_FLOAT, receive, share, MPI_FLOAT, 0, group,
                                              next_request(slot)));
            case CollectiveKind::scatter:
                return ORRERY_MPI(MPI_Iscatter(send, share, MPI_FLOAT, receive, share, MPI_FLOAT, 0, group,
                                               next_request(slot)));
            case CollectiveKind::barrier:
            case CollectiveKind::send_recv:
                return;  // the exchange of stamps is the barrier
        }
    }

    /// Row and column of the member in the matrix; what it keeps stays where it is.
    void post_all_to_all_v(Slot& slot, MPI_Comm group, int n) {
        const sim::TrafficMatrix& matrix = program_->matrices[slot.posting.work->matrix];
        int self = 0;
        ORRERY_MPI(MPI_Comm_rank(group, &self));
        const auto lay_out = [&](std::vector<int>& counts, std::vector<int>& offsets, auto bytes) {
            counts.assign(static_cast<std::size_t>(n), 0);
            offsets.assign(static_cast<std::size_t>(n), 0);
            std::size_t total = 0;
            for (int i = 0; i < n; ++i) {
                offsets[static_cast<std::size_t>(i)] = count(total);
                if (i == self) continue;
                counts[static_cast<std::size_t>(i)] = elements(bytes(static_cast<std::uint32_t>(i)));
                total += static_cast<std::size_t>(counts[static_cast<std::size_t>(i)]);
            }
            return count(total);
        };
        const auto me = static_cast<std::uint32_t>(self);
        fill(slot.send, lay_out(slot.send_counts, slot.send_offsets,
                                [&](std::uint32_t to) { return matrix.at(me, to); }));
        fill(slot.receive, lay_out(slot.receive_counts, slot.receive_offsets,
                                   [&](std::uint32_t from) { return matrix.at(from, me); }));
        ORRERY_MPI(MPI_Ialltoallv(slot.send.data(), slot.send_counts.data(), slot.send_offsets.data(),
                                  MPI_FLOAT, slot.receive.data(), slot.receive_counts.data(),
                                  slot.receive_offsets.data(), MPI_FLOAT, group, next_request(slot)));
    }

    /// Distance of this host's clock to the first rank's: the shortest of many round trips, by halves.
    void align_clock() {
        MPI_Comm host = MPI_COMM_NULL;
        ORRERY_MPI(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host));
        int on_host = 0;
        ORRERY_MPI(MPI_Comm_size(host, &on_host));
        ORRERY_MPI(MPI_Comm_free(&host));
        int all = on_host == job_.size ? 1 : 0;
        ORRERY_MPI(MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD));
        one_host_ = all == 1;
        if (one_host_) return;
        constexpr int kTag = 0;
        for (int peer = 1; peer < job_.size; ++peer) {
            double shortest = std::numeric_limits<double>::infinity();
            for (int trip = 0; trip < kRoundTrips; ++trip) {
                double theirs = 0;
                if (job_.rank == 0) {
                    ORRERY_MPI(
                        MPI_Recv(&theirs, 1, MPI_DOUBLE, peer, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
                    const double mine = monotonic();
                    ORRERY_MPI(MPI_Send(&mine, 1, MPI_DOUBLE, peer, kTag, MPI_COMM_WORLD));
                } else if (job_.rank == peer) {
                    const double before = monotonic();
                    ORRERY_MPI(MPI_Send(&before, 1, MPI_DOUBLE, 0, kTag, MPI_COMM_WORLD));
                    ORRERY_MPI(MPI_Recv(&theirs, 1, MPI_DOUBLE, 0, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
                    const double after = monotonic();
                    if (after - before >= shortest) continue;
                    shortest = after - before;
                    offset_s_ = (before + after) / 2 - theirs;
                }
            }
        }
    }

    MpiJob& job_;
    bool one_host_ = true;
    double offset_s_ = 0;
    const sim::Program* program_ = nullptr;
    double most_elements_ = 0;
    std::vector<MPI_Comm> communicators_;  ///< [communicator]
    std::vector<Slot> slots_;              ///< [stream]
};

}  // namespace
}  // namespace orrery::profiler

orrery::profiler::Transport* orrery_mpi_transport() {
    return new orrery::profiler::MpiTransport;
}
