// liborrery_mpi.so: collectives between the processes of an MPI job. Loaded when asked for, so that the
// command itself neither links MPI nor needs it.
#include <mpi.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "profiler/communication/mpi/job.hpp"
#include "profiler/communication/mpi/plugin.hpp"

namespace orrery::profiler {
namespace {

using sim::CollectiveKind;

MpiJob& job() {
    return mpi_job();
}

class MpiProcesses final : public Processes {
  public:
    [[nodiscard]] int rank() const override { return job().rank; }
    [[nodiscard]] int size() const override { return job().size; }
    void broadcast(void* data, std::size_t bytes) override {
        ORRERY_MPI(MPI_Bcast(data, static_cast<int>(bytes), MPI_BYTE, 0, MPI_COMM_WORLD));
    }
    double maximum(double value) override {
        double out = 0;
        ORRERY_MPI(MPI_Allreduce(&value, &out, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD));
        return out;
    }
    std::vector<std::string> gather(const std::string& text) override {
        constexpr int kLength = 128;
        std::vector<char> mine(kLength, '\0');
        std::copy_n(text.begin(), std::min<std::size_t>(text.size(), kLength - 1), mine.begin());
        std::vector<char> all(static_cast<std::size_t>(kLength) * static_cast<std::size_t>(job().size));
        ORRERY_MPI(
            MPI_Allgather(mine.data(), kLength, MPI_CHAR, all.data(), kLength, MPI_CHAR, MPI_COMM_WORLD));
        std::vector<std::string> out;
        for (int i = 0; i < job().size; ++i)
            out.emplace_back(all.data() + static_cast<std::size_t>(i) * kLength);
        return out;
    }
    [[nodiscard]] int neighbours() override {
        MPI_Comm host = MPI_COMM_NULL;
        int count = 1;
        ORRERY_MPI(
            MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, job().rank, MPI_INFO_NULL, &host));
        ORRERY_MPI(MPI_Comm_size(host, &count));
        ORRERY_MPI(MPI_Comm_free(&host));
        return count;
    }
    void send(int to, const std::string& bytes) override {
        ORRERY_MPI(MPI_Send(bytes.data(), count_of(bytes.size()), MPI_BYTE, to, kLetter, MPI_COMM_WORLD));
    }
    std::optional<Letter> poll() override {
        int there = 0;
        MPI_Status status;
        ORRERY_MPI(MPI_Iprobe(MPI_ANY_SOURCE, kLetter, MPI_COMM_WORLD, &there, &status));
        if (there == 0) return std::nullopt;
        int bytes = 0;
        ORRERY_MPI(MPI_Get_count(&status, MPI_BYTE, &bytes));
        Letter letter{status.MPI_SOURCE, std::string(static_cast<std::size_t>(bytes), '\0')};
        ORRERY_MPI(MPI_Recv(letter.bytes.data(), bytes, MPI_BYTE, letter.from, kLetter, MPI_COMM_WORLD,
                            MPI_STATUS_IGNORE));
        return letter;
    }
    void abort() override { (void)MPI_Abort(MPI_COMM_WORLD, 1); }

  private:
    static constexpr int kLetter = 71;  ///< tag

    static int count_of(std::size_t bytes) {
        if (bytes > static_cast<std::size_t>(std::numeric_limits<int>::max()))
            throw ExperimentError("a message between processes is larger than MPI takes (2 GiB)");
        return static_cast<int>(bytes);
    }
};

class MpiRunner final : public CollectiveRunner {
  public:
    MpiRunner() {
        const int rank = job().rank;  // starts MPI
        std::array<char, MPI_MAX_PROCESSOR_NAME> host{};
        int length = 0;
        ORRERY_MPI(MPI_Get_processor_name(host.data(), &length));
        names_ = processes_.gather("Rank " + std::to_string(rank) + " on " + host.data());
    }
    ~MpiRunner() override {
        if (group_ != MPI_COMM_NULL) (void)MPI_Comm_free(&group_);
    }

    [[nodiscard]] bool first() const override { return job().rank == 0; }
    [[nodiscard]] int ranks() const override { return job().size; }
    [[nodiscard]] std::vector<std::string> describe_ranks() const override { return names_; }
    [[nodiscard]] std::string library() const override {
        std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
        int length = 0;
        (void)MPI_Get_library_version(text.data(), &length);
        const std::string words(text.data());
        return "MPI: " + words.substr(0, words.find_first_of(",\n"));
    }

    void use_group(const GroupShape& shape) override {
        if (group_ != MPI_COMM_NULL) ORRERY_MPI(MPI_Comm_free(&group_));
        const bool member = job().rank % shape.stride == 0 && job().rank / shape.stride < shape.size;
        ORRERY_MPI(MPI_Comm_split(MPI_COMM_WORLD, member ? 0 : MPI_UNDEFINED, job().rank, &group_));
        size_ = shape.size;
    }

    double time(CollectiveKind kind, std::size_t bytes, int warm_up, int iterations) override {
        double mine = 0;
        if (group_ != MPI_COMM_NULL) {
            send_.resize(std::max(send_.size(), bytes / 4), 1.5F);
            receive_.resize(std::max(receive_.size(), bytes / 4), 0.5F);
            for (int i = 0; i < warm_up; ++i) run(kind, bytes);
            ORRERY_MPI(MPI_Barrier(group_));
            const double begin = MPI_Wtime();
            for (int i = 0; i < iterations; ++i) run(kind, bytes);
            mine = (MPI_Wtime() - begin) / iterations;
        }
        return processes_.maximum(mine);
    }

  private:
    void run(CollectiveKind kind, std::size_t bytes) {
        const int all = static_cast<int>(bytes / 4);
        const int share = all / size_;
        switch (kind) {
            case CollectiveKind::all_reduce:
                return ORRERY_MPI(
                    MPI_Allreduce(send_.data(), receive_.data(), all, MPI_FLOAT, MPI_SUM, group_));
            case CollectiveKind::all_gather:
                return ORRERY_MPI(
                    MPI_Allgather(send_.data(), share, MPI_FLOAT, receive_.data(), share, MPI_FLOAT, group_));
            case CollectiveKind::reduce_scatter:
                return ORRERY_MPI(MPI_Reduce_scatter_block(send_.data(), receive_.data(), share, MPI_FLOAT,
                                                           MPI_SUM, group_));
            case CollectiveKind::broadcast:
                return ORRERY_MPI(MPI_Bcast(send_.data(), all, MPI_FLOAT, 0, group_));
            case CollectiveKind::reduce:
                return ORRERY_MPI(
                    MPI_Reduce(send_.data(), receive_.data(), all, MPI_FLOAT, MPI_SUM, 0, group_));
            case CollectiveKind::all_to_all:
                return ORRERY_MPI(
                    MPI_Alltoall(send_.data(), share, MPI_FLOAT, receive_.data(), share, MPI_FLOAT, group_));
            case CollectiveKind::gather:
                return ORRERY_MPI(
                    MPI_Gather(send_.data(), share, MPI_FLOAT, receive_.data(), share, MPI_FLOAT, 0, group_));
            case CollectiveKind::scatter:
                return ORRERY_MPI(MPI_Scatter(send_.data(), share, MPI_FLOAT, receive_.data(), share,
                                              MPI_FLOAT, 0, group_));
            case CollectiveKind::send_recv: {  // as nccl-tests: every rank to the next, at once
                int rank = 0;
                ORRERY_MPI(MPI_Comm_rank(group_, &rank));
                return ORRERY_MPI(MPI_Sendrecv(send_.data(), all, MPI_FLOAT, (rank + 1) % size_, 0,
                                               receive_.data(), all, MPI_FLOAT, (rank + size_ - 1) % size_, 0,
                                               group_, MPI_STATUS_IGNORE));
            }
            case CollectiveKind::barrier:
                return ORRERY_MPI(MPI_Barrier(group_));
            default:
                throw ExperimentError("MPI does not run this collective");
        }
    }

    MpiProcesses processes_;
    std::vector<std::string> names_;
    MPI_Comm group_ = MPI_COMM_NULL;
    int size_ = 1;
    std::vector<float> send_;
    std::vector<float> receive_;
};

}  // namespace
}  // namespace orrery::profiler

orrery::profiler::Processes* orrery_mpi_processes() {
    (void)orrery::profiler::job();
    return new orrery::profiler::MpiProcesses;
}

orrery::profiler::CollectiveRunner* orrery_mpi_runner() {
    return new orrery::profiler::MpiRunner;
}
