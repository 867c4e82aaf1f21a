#include "report/trace.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>

#include "report/task_view.hpp"

namespace orrery::report {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 16;

/// Times are written as microseconds with three decimals, from whole nanoseconds: exact and quick.
std::int64_t nanoseconds(double seconds) {
    return std::llround(seconds * 1e9);
}

std::string json_string(const std::string& text) {
    return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

class TraceWriter {
  public:
    TraceWriter(const sim::Program& program, const sim::Timeline& timeline, const ByteSink& sink)
        : program_(program), timeline_(timeline), sink_(sink) {
        for (const std::string& name : program.names) names_.push_back(json_string(name));
        for (const sim::Work& work : program.works) {
            const double size = bytes_of(work);
            bytes_.push_back(size > 0 ? fmt::format(",\"bytes\":{:.0f}", size) : "");
        }
    }

    void begin(const std::string& note) {
        out("{{\"displayTimeUnit\":\"ms\",\"otherData\":{{\"producer\":\"orrery\",\"note\":{}}},"
            "\n\"traceEvents\":[\n",
            json_string(note));
    }

    void rank(sim::RankId rank) {
        const sim::Rank& info = program_.ranks[rank()];
        const sim::RankProgram& tasks = program_.program_of(rank);
        std::string name = fmt::format("rank {} (pipeline device {})", info.device, info.pipeline_device);
        if (info.multiplicity > 1) name += fmt::format(", stands for {} ranks", info.multiplicity);
        metadata(rank, 0, "process_name", fmt::format("\"name\":{}", json_string(name)));
        metadata(rank, 0, "process_sort_index", fmt::format("\"sort_index\":{}", rank.value));
        for (std::size_t stream = 0; stream < tasks.streams.size(); ++stream) {
            metadata(rank, stream, "thread_name",
                     fmt::format("\"name\":{}", json_string(stream_name(tasks.streams[stream]))));
            metadata(rank, stream, "thread_sort_index", fmt::format("\"sort_index\":{}", stream));
        }
        for (std::size_t task = 0; task < tasks.size(); ++task) event(rank, tasks, sim::TaskId(task));
    }

    void finish() {
        out("\n]}}\n");
        flush();
    }

  private:
    template <class... Arguments>
    void out(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        fmt::format_to(std::back_inserter(buffer_), format, std::forward<Arguments>(arguments)...);
        if (buffer_.size() >= kPiece) flush();
    }

    void append(const std::string& text) { buffer_.append(text.data(), text.data() + text.size()); }

    void flush() {
        sink_({buffer_.data(), buffer_.size()});
        buffer_.clear();
    }

    void next() {
        if (!first_) out(",\n");
        first_ = false;
    }

    static std::string stream_name(const sim::StreamInfo& stream) {
        std::string name(sim::to_string(stream.kind));
        if (stream.peer >= 0) name += fmt::format(" (device {})", stream.peer);
        return name;
    }

    void metadata(sim::RankId rank, std::size_t stream, const char* what, const std::string& argument) {
        next();
        out("{{\"ph\":\"M\",\"pid\":{},\"tid\":{},\"name\":\"{}\",\"args\":{{{}}}}}", rank.value, stream,
            what, argument);
    }

    void event(sim::RankId rank, const sim::RankProgram& tasks, sim::TaskId task) {
        const std::uint64_t global = program_.first_task[rank()] + task.value;
        const std::int64_t start_ns = nanoseconds(timeline_.start[global]);
        const std::int64_t duration_ns = nanoseconds(timeline_.end[global]) - start_ns;
        const sim::TaskLabel& label = tasks.label[task()];
        next();
        out("{{\"ph\":\"X\",\"pid\":{},\"tid\":{},\"ts\":{}.{:03},\"dur\":{}.{:03},\"name\":{},\"cat\":\"{}"
            "\"",
            rank.value, tasks.stream[task()].value, start_ns / 1000, start_ns % 1000, duration_ns / 1000,
            duration_ns % 1000, names_[static_cast<std::size_t>(label.name)], sim::to_string(label.phase));
        out(",\"args\":{{\"phase\":\"{}\",\"chunk\":{}", sim::to_string(label.phase), label.chunk);
        if (label.micro_batch >= 0) out(",\"micro_batch\":{}", label.micro_batch);
        if (label.slice > 0) out(",\"slice\":{}", label.slice);
        if (label.layer >= 0) out(",\"layer\":{}", label.layer);
        append(bytes_[tasks.work[task()]()]);
        out("}}}}");
        flow(rank, tasks, task, start_ns, duration_ns);
    }

    /// A send starts an arrow, its receive ends it; the operation of the communicator names the pair.
    void flow(sim::RankId rank, const sim::RankProgram& tasks, sim::TaskId task, std::int64_t start_ns,
              std::int64_t duration_ns) {
        const sim::StreamKind kind = tasks.streams[tasks.stream[task()]()].kind;
        const bool send = kind == sim::StreamKind::pp_send;
        if (!send && kind != sim::StreamKind::pp_recv) return;
        if (tasks.communicator_slot[task()] == sim::kNoCommunicator) return;
        const sim::CommunicatorId communicator =
            program_.ranks[rank()].communicators[tasks.communicator_slot[task()]];
        if (program_.communicators[communicator()].members.size() != 2) return;
        // An arrow ends at the task that encloses its time: the middle of the receive.
        const std::int64_t at_ns = send ? start_ns : start_ns + duration_ns / 2;
        next();
        out("{{\"ph\":\"{}\",\"pid\":{},\"tid\":{},\"ts\":{}.{:03},\"name\":\"send\",\"cat\":\"send\",\"id\":"
            "\"{}.{}\"{}}}",
            send ? 's' : 'f', rank.value, tasks.stream[task()].value, at_ns / 1000, at_ns % 1000,
            communicator.value, tasks.sequence[task()], send ? "" : ",\"bp\":\"e\"");
    }

    const sim::Program& program_;
    const sim::Timeline& timeline_;
    const ByteSink& sink_;
    std::vector<std::string> names_;
    std::vector<std::string> bytes_;  ///< [work] ",\"bytes\":N", or empty
    fmt::memory_buffer buffer_;
    bool first_ = true;
};

}  // namespace

void write_trace(const sim::Program& program, const sim::Timeline& timeline, const ByteSink& sink,
                 const TraceOptions& options) {
    std::vector<sim::RankId> ranks;
    std::string note = "simulated by Orrery";
    if (program.tasks() > options.most_tasks) {
        ranks = one_rank_per_pipeline_device(program);
        note += fmt::format("; {} of {} ranks shown, the first of each pipeline device", ranks.size(),
                            program.ranks.size());
    } else {
        for (std::size_t rank = 0; rank < program.ranks.size(); ++rank) ranks.emplace_back(rank);
    }
    TraceWriter writer(program, timeline, sink);
    writer.begin(note);
    for (const sim::RankId rank : ranks) writer.rank(rank);
    writer.finish();
}

std::string trace_json_gz(const sim::Program& program, const sim::Timeline& timeline,
                          const TraceOptions& options) {
    std::string bytes;
    GzipWriter gzip([&bytes](std::string_view piece) { bytes += piece; });
    write_trace(
        program, timeline, [&gzip](std::string_view piece) { gzip.write(piece); }, options);
    gzip.finish();
    return bytes;
}

}  // namespace orrery::report
