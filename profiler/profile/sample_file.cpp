#include "profiler/profile/sample_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/atomic_file.hpp"

namespace orrery::profiler {
namespace {

/// Length of the text up to and with its last line end.
std::size_t whole_lines(const std::string& text) {
    const std::size_t last = text.rfind('\n');
    return last == std::string::npos ? 0 : last + 1;
}

}  // namespace

SampleFile::SampleFile(const std::string& path) : path_(path) {
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    std::error_code ignored;
    if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
    descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (descriptor_ < 0)
        throw InputError({path, 0, 0}, "", std::string("cannot write: ") + std::strerror(errno));
    try {
        if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
            throw InputError({path, 0, 0}, "", "another process is writing samples to it");
        }
        for (const Record& record : read_records(path)) keys_.insert(key_of(record));
        const std::size_t whole = whole_lines(read_file(path, std::size_t{256} << 20));
        if (::ftruncate(descriptor_, static_cast<off_t>(whole)) != 0) {
            throw InputError({path, 0, 0}, "",
                             std::string("cannot repair its last line: ") + std::strerror(errno));
        }
    } catch (...) {
        ::close(descriptor_);
        throw;
    }
}

SampleFile::~SampleFile() {
    ::close(descriptor_);
}

void SampleFile::append(const Record& record) {
    const std::string line = to_json_line(record) + "\n";
    for (std::size_t written = 0; written < line.size();) {
        const ssize_t step = ::write(descriptor_, line.data() + written, line.size() - written);
        if (step < 0 && errno == EINTR) continue;
        if (step <= 0)
            throw InputError({path_, 0, 0}, "", std::string("cannot write: ") + std::strerror(errno));
        written += static_cast<std::size_t>(step);
    }
    keys_.insert(key_of(record));
}

}  // namespace orrery::profiler
