#include <zlib.h>

#include <algorithm>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "profiler/runs/measured_run.hpp"

namespace orrery::profiler {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 30;

/// Inflates all members of a gzip file. Throws InputError for a broken or cut one, and beyond `most`.
std::string unpacked(const std::string& packed, const std::string& path, std::size_t most) {
    std::string out;
    z_stream stream{};
    constexpr int kGzip = 15 + 16;
    if (inflateInit2(&stream, kGzip) != Z_OK) throw InputError({path, 0, 0}, "", "cannot be unpacked");
    const auto fail = [&stream, &path](const char* message) {
        (void)inflateEnd(&stream);
        throw InputError({path, 0, 0}, "", message);
    };
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    constexpr std::size_t kChunk = std::size_t{1} << 18;
    int status = Z_OK;
    do {
        const std::size_t before = out.size();
        if (before >= most) fail("is larger than 1 GiB unpacked");
        out.resize(before + kChunk);
        stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
        stream.avail_out = static_cast<uInt>(kChunk);
        status = inflate(&stream, Z_NO_FLUSH);
        out.resize(out.size() - stream.avail_out);
        if (status == Z_STREAM_END && stream.avail_in > 0) status = inflateReset(&stream);
        if (status != Z_OK && status != Z_STREAM_END) fail("is a gzip file that is cut off or broken");
    } while (status != Z_STREAM_END);
    (void)inflateEnd(&stream);
    return out;
}

bool contains(std::string_view text, std::string_view word) {
    return text.find(word) != std::string_view::npos;
}

}  // namespace

void complete(MeasuredRun& run) {
    if (run.tasks.empty())
        throw InputError({run.source, 0, 0}, "", "holds no device work: no kernels, copies or collectives");
    std::stable_sort(run.tasks.begin(), run.tasks.end(),
                     [](const MeasuredTask& a, const MeasuredTask& b) { return a.start_s < b.start_s; });
    const double first = run.tasks.front().start_s;
    double last = 0;
    for (MeasuredTask& task : run.tasks) {
        task.start_s -= first;
        task.end_s -= first;
        last = std::max(last, task.end_s);
    }
    if (run.step_time_s > 0) return;
    run.step_time_s = last;
    run.step_time_from = "the span of the device work";
}

MeasuredRun read_run(const std::string& path) {
    std::string text = read_file(path, kMostBytes);
    if (text.starts_with("SQLite format 3")) return read_nsight_export(path);
    if (text.starts_with("\x1f\x8b")) text = unpacked(text, path, kMostBytes);
    const std::size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos || text[begin] != '{') {
        throw InputError({path, 0, 0}, "",
                         "expected a PyTorch profiler trace (JSON), a Chakra trace (JSON) or an SQLite "
                         "export of Nsight Systems");
    }
    if (contains(text, "\"traceEvents\"")) return parse_kineto(text, path);
    if (contains(text, "\"nodes\"")) return parse_chakra(text, path);
    throw InputError({path, 0, 0}, "", "holds neither traceEvents (PyTorch's profiler) nor nodes (Chakra)");
}

}  // namespace orrery::profiler
