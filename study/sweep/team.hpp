// study/sweep/team.hpp
//
// Who runs a sweep: the threads of this process, or of all processes of the MPI job (mpirun, srun) that it
// was started in. Every process runs the same code and sees the same results, so that they take the same
// decisions.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace orrery::study {

/// What went wrong in another process, which reports it.
struct ElsewhereError {};

class Team {
  public:
    using Task = std::function<std::string(std::size_t)>;
    using Finished = std::function<void(const std::string&)>;

    virtual ~Team() = default;
    Team() = default;
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    [[nodiscard]] virtual int rank() const = 0;
    [[nodiscard]] virtual int size() const = 0;
    [[nodiscard]] bool first() const { return rank() == 0; }

    /// Runs task(i) once for each i below `tasks`, in some process, on some thread; hands them out as the
    /// processes come for more. Returns their texts by i, in every process. `finished` is told each text in
    /// the first process as it comes, from one thread at a time. What a task throws ends the map: the first
    /// process throws it (as ExperimentError where the task was another's), the others ElsewhereError.
    virtual std::vector<std::string> map(std::size_t tasks, const Task& task, const Finished& finished) = 0;

    /// Runs `make` in the first process and gives its text to all. What it throws is thrown there; the others
    /// throw ElsewhereError.
    virtual std::string decide(const std::function<std::string()>& make) = 0;

    /// Ends all processes of the job: this one cannot go on, and the others would wait for it.
    [[noreturn]] virtual void abandon() = 0;
};

/// The processes of the job, each with `jobs` threads (0: its share of the host's cores). Throws
/// MissingCapability when this process is one of an MPI job and the build has no MPI.
std::unique_ptr<Team> make_team(int jobs);

/// The threads of this process alone, whatever job it is part of: `jobs`, 0 for all cores.
std::unique_ptr<Team> make_lone_team(int jobs);

/// Numbers and texts in a text, for what tasks return.
class Packet {
  public:
    Packet() = default;
    explicit Packet(std::string bytes) : bytes_(std::move(bytes)) {}

    template <class Number>
    void put(Number value) {
        bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    }
    void put_text(const std::string& text) {
        put(text.size());
        bytes_ += text;
    }
    template <class Number>
    Number take() {
        Number value{};
        read(&value, sizeof(value));
        return value;
    }
    std::string take_text() {
        std::string text(take<std::size_t>(), '\0');
        read(text.data(), text.size());
        return text;
    }
    [[nodiscard]] bool empty() const { return at_ >= bytes_.size(); }
    [[nodiscard]] const std::string& bytes() const { return bytes_; }

  private:
    /// Throws SimulationError where fewer bytes are left.
    void read(void* to, std::size_t bytes);

    std::string bytes_;
    std::size_t at_ = 0;  ///< of the next to take
};

}  // namespace orrery::study
