#include "profiler/execute/cuda/nccl_operations.hpp"

#include "core/error.hpp"

#ifdef ORRERY_HAVE_NCCL
#include <string>
#include <utility>
#include <vector>

#include "profiler/kernels/cuda/check.hpp"
#include "profiler/kernels/cuda/check_nccl.hpp"
#include "profiler/kernels/cuda/nccl_collective.hpp"
#endif

namespace orrery::profiler::cuda {

#ifdef ORRERY_HAVE_NCCL
namespace {

using sim::CollectiveKind;

class NcclOperations final : public Operations {
  public:
    explicit NcclOperations(NcclPlaces places) : places_(std::move(places)) {
        places_.on_abandon([this] { abort(); });
    }
    ~NcclOperations() override {
        places_.on_abandon({});
        destroy();
    }

    [[nodiscard]] bool senders_need_no_lane() const override { return false; }

    void use(const sim::Program& program) override {
        destroy();
        program_ = &program;
        communicators_.resize(program.communicators.size());
        for (std::size_t c = 0; c < program.communicators.size(); ++c) {
            const sim::Communicator& communicator = program.communicators[c];
            if (communicator.members.size() > 1 && communicator.operations > 0)
                create(c, communicator.members);
        }
    }

    void carry_out(const MetOperation& operation) override {
        if (operation.members.size() < 2) return;
        ORRERY_NCCL(ncclGroupStart());
        for (std::size_t i = 0; i < operation.members.size(); ++i) issue(operation, i);
        ORRERY_NCCL(ncclGroupEnd());
    }

  private:
    void create(std::size_t c, const std::vector<sim::RankId>& members) {
        std::vector<ncclComm_t>& all = communicators_[c];
        all.resize(members.size(), nullptr);
        ncclUniqueId id{};
        ORRERY_NCCL(ncclGetUniqueId(&id));
        ORRERY_NCCL(ncclGroupStart());
        for (std::size_t i = 0; i < members.size(); ++i) {
            ORRERY_CUDA(cudaSetDevice(places_.device_of(members[i])));
            ORRERY_NCCL(ncclCommInitRank(&all[i], static_cast<int>(members.size()), id, static_cast<int>(i)));
        }
        ORRERY_NCCL(ncclGroupEnd());
    }

    void destroy() {
        if (aborted_) return;
        for (const auto& all : communicators_)
            for (const ncclComm_t one : all)
                if (one != nullptr) (void)ncclCommDestroy(one);
        communicators_.clear();
    }

    /// While hosts may still be issuing: nothing is taken away from them.
    void abort() {
        for (const auto& all : communicators_)
            for (const ncclComm_t one : all)
                if (one != nullptr) (void)ncclCommAbort(one);
        aborted_ = true;
    }

    /// Sizes as sim::Collective::bytes has them. The first member is the root.
    void issue(const MetOperation& operation, std::size_t me) {
        const OperationMember& member = operation.members[me];
        const ncclComm_t comm = communicators_[operation.communicator()][me];
        const cudaStream_t stream = places_.stream_of(member.lane);
        const std::size_t n = operation.members.size();
        const std::size_t whole = floats_of(operation.work->bytes);
        const std::size_t share = floats_of(operation.work->bytes / static_cast<double>(n));
        const auto* send = reinterpret_cast<const float*>(member.send);
        auto* receive = reinterpret_cast<float*>(member.receive);
        const NcclSide side{comm, stream, send, receive};
        if (issue_nccl_collective(operation.work->kind, side, whole, share)) return;
        switch (operation.work->kind) {
            case CollectiveKind::all_to_all:
                for (std::size_t i = 0; i < n; ++i) {
                    to(side, i, i * share, share);
                    from(side, i, i * share, share);
                }
                return;
            case CollectiveKind::all_to_all_v:
                return all_to_all_v(side, operation, me);
            case CollectiveKind::gather:
                to(side, 0, 0, share);
                for (std::size_t i = 0; me == 0 && i < n; ++i) from(side, i, i * share, share);
                return;
            case CollectiveKind::scatter:
                for (std::size_t i = 0; me == 0 && i < n; ++i) to(side, i, i * share, share);
                from(side, 0, 0, share);
                return;
            case CollectiveKind::send_recv:
                return member.sends ? to(side, 1 - me, 0, whole) : from(side, 1 - me, 0, whole);
            case CollectiveKind::barrier:
                return ORRERY_NCCL(ncclAllReduce(send, receive, 1, ncclFloat, ncclSum, comm, stream));
            case CollectiveKind::all_reduce:
            case CollectiveKind::all_gather:
            case CollectiveKind::reduce_scatter:
            case CollectiveKind::broadcast:
            case CollectiveKind::reduce:
                return;  // issued above
        }
    }

    static void to(const NcclSide& side, std::size_t peer, std::size_t at, std::size_t count) {
        if (count == 0) return;
        ORRERY_NCCL(ncclSend(side.send + at, count, ncclFloat, static_cast<int>(peer), side.communicator,
                             side.stream));
    }
    static void from(const NcclSide& side, std::size_t peer, std::size_t at, std::size_t count) {
        if (count == 0) return;
        ORRERY_NCCL(ncclRecv(side.receive + at, count, ncclFloat, static_cast<int>(peer), side.communicator,
                             side.stream));
    }

    /// Row and column of the member in the matrix; what it keeps stays where it is.
    void all_to_all_v(const NcclSide& side, const MetOperation& operation, std::size_t me) {
        const sim::TrafficMatrix& matrix = program_->matrices[operation.work->matrix];
        std::size_t sent = 0;
        std::size_t received = 0;
        for (std::size_t i = 0; i < operation.members.size(); ++i) {
            if (i == me) continue;
            const auto self = static_cast<std::uint32_t>(me);
            const auto other = static_cast<std::uint32_t>(i);
            const std::size_t out = floats_of(matrix.at(self, other));
            const std::size_t in = floats_of(matrix.at(other, self));
            to(side, i, sent, out);
            from(side, i, received, in);
            sent += out;
            received += in;
        }
    }

    NcclPlaces places_;
    bool aborted_ = false;
    const sim::Program* program_ = nullptr;
    std::vector<std::vector<ncclComm_t>> communicators_;  ///< [communicator][member]
};

}  // namespace

std::unique_ptr<Operations> make_nccl_operations(NcclPlaces places) {
    return std::make_unique<NcclOperations>(std::move(places));
}
#else
std::unique_ptr<Operations> make_nccl_operations(NcclPlaces /*places*/) {
    throw MissingCapability("this build of Orrery has no NCCL (none was found when it was configured)");
}
#endif

}  // namespace orrery::profiler::cuda
