#include "core/atomic_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <mutex>
#include <system_error>

#include "core/error.hpp"

namespace orrery {
namespace {

InputError file_error(const std::filesystem::path& path, const std::string& what) {
    return {Location{path.string()}, "", what};
}

std::string reason(int error) {
    return std::generic_category().message(error);
}

/// An open file descriptor that closes itself.
class Descriptor {
  public:
    explicit Descriptor(int opened) : number(opened) {}
    ~Descriptor() {
        if (number >= 0) ::close(number);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    int number;
};

// The temporaries alive now. A signal handler may only touch lock-free atomics and call unlink(2), so names
// lie in fixed arrays.
struct Slot {
    std::atomic<bool> taken = false;
    std::atomic<bool> alive = false;
    std::array<char, PATH_MAX> name{};
};
std::array<Slot, 32> slots;

extern "C" void remove_temporaries_and_die(int signal_number) {
    for (Slot& slot : slots) {
        if (slot.alive.load()) ::unlink(slot.name.data());
    }
    std::signal(signal_number, SIG_DFL);
    std::raise(signal_number);
}

/// Signals that end the process remove the temporaries first. A signal the program already handles, or
/// ignores (nohup), is left alone.
void watch_signals() {
    static std::once_flag once;
    std::call_once(once, [] {
        for (const int signal_number : {SIGINT, SIGTERM, SIGHUP}) {
            struct sigaction present {};
            sigaction(signal_number, nullptr, &present);
            if (present.sa_handler != SIG_DFL) continue;
            struct sigaction removal {};
            removal.sa_handler = remove_temporaries_and_die;
            sigemptyset(&removal.sa_mask);
            sigaction(signal_number, &removal, nullptr);
        }
    });
}

/// A temporary file's name, removed when this goes out of scope unless it was renamed away.
class Temporary {
  public:
    explicit Temporary(std::string file_name) : name(std::move(file_name)) {
        watch_signals();
        for (Slot& candidate : slots) {
            bool free = false;
            if (name.size() < PATH_MAX && candidate.taken.compare_exchange_strong(free, true)) {
                std::copy(name.c_str(), name.c_str() + name.size() + 1, candidate.name.begin());
                candidate.alive = true;
                slot = &candidate;
                break;
            }
        }
    }
    ~Temporary() {
        if (!renamed) ::unlink(name.c_str());
        if (slot == nullptr) return;
        slot->alive = false;
        slot->taken = false;
    }
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;

    std::string name;
    bool renamed = false;

  private:
    Slot* slot = nullptr;
};

void write_all(int descriptor, std::string_view bytes, const std::filesystem::path& path) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) throw file_error(path, "cannot write: " + reason(errno));
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace

std::string read_file(const std::filesystem::path& path, std::size_t most_bytes) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.number < 0) throw file_error(path, "cannot read: " + reason(errno));
    struct stat status {};
    if (::fstat(file.number, &status) == 0 && S_ISDIR(status.st_mode)) {
        throw file_error(path, "is a folder, expected a file");
    }
    std::string bytes;
    std::array<char, 65536> block{};
    while (true) {
        const ssize_t count = ::read(file.number, block.data(), block.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw file_error(path, "cannot read: " + reason(errno));
        if (count == 0) return bytes;
        bytes.append(block.data(), static_cast<std::size_t>(count));
        if (bytes.size() > most_bytes) {
            throw file_error(path, fmt::format("is larger than the limit of {} bytes", most_bytes));
        }
    }
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) throw file_error(folder, "cannot make this folder: " + error.message());
    if (std::filesystem::is_directory(path, error))
        throw file_error(path, "is a folder, expected a file name");

    static std::atomic<unsigned> serial = 0;
    Temporary temporary(fmt::format("{}.{}.{}.tmp", path.string(), ::getpid(), serial++));
    {
        const Descriptor file(::open(temporary.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                                     S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH));
        if (file.number < 0) throw file_error(path, "cannot write: " + reason(errno));
        write_all(file.number, bytes, path);
        if (::fsync(file.number) != 0) throw file_error(path, "cannot write: " + reason(errno));
    }
    if (::rename(temporary.name.c_str(), path.c_str()) != 0) {
        throw file_error(path, "cannot write: " + reason(errno));
    }
    temporary.renamed = true;
}

}  // namespace orrery
