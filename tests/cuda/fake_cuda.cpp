// A machine with GPUs that are threads: what the CUDA module calls of CUDA's runtime and driver, of cuBLAS
// and of NCCL, put before the real libraries (LD_PRELOAD), so that the module's code runs where there is no
// GPU. Streams run in order, events order them and tell the time, copies are real, kernels only take theirs:
// 100 us a product, 20 us a pass, a pause what it is told. The devices keep exact time: what a thread notices
// late does not count.
//
// It is strict where CUDA is, and says what was wrong before it ends the process: an event that was never
// recorded, a stream or an event of another GPU, memory beyond an allocation, a stream that is gone.
//
// FAKE_CUDA_GPUS: how many (1). FAKE_CUDA_MEMORY: bytes of each (80e9). FAKE_CUDA_HANG: the n-th product
// never ends. FAKE_CUDA_OLD_DRIVER: without green contexts.
#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <nccl.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr double kProduct = 100e-6;
constexpr double kPass = 20e-6;
constexpr double kMessage = 30e-6;
constexpr double kForEver = 1e9;
constexpr int kMultiprocessors = 132;
constexpr unsigned kGranularity = 8;

double now() {
    return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

[[noreturn]] void wrong(const std::string& what) {
    std::fprintf(stderr, "fake CUDA: %s\n", what.c_str());
    std::_Exit(99);
}

double number_of(const char* name, double otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtod(text, nullptr);
}

thread_local int current = 0;
thread_local cudaError_t last_error = cudaSuccess;

struct Event {
    int device = 0;
    std::mutex mutex;
    std::condition_variable changed;
    std::uint64_t recorded = 0;
    std::uint64_t reached = 0;
    double time_s = 0;
};

class Stream {
  public:
    explicit Stream(int on) : device(on), thread_([this] { work(); }) {}
    ~Stream() {
        give({});
        thread_.join();
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    /// An empty one ends the stream.
    void give(std::function<void(double&)> work) {
        const std::scoped_lock lock(mutex_);
        queue_.emplace_back(now(), std::move(work));
        ++given_;
        changed_.notify_all();
    }
    void takes(double seconds) {
        give([seconds](double& free_s) {
            free_s += seconds;
            std::this_thread::sleep_for(std::chrono::duration<double>(free_s - now()));
        });
    }
    void synchronize() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return done_ == given_; });
    }

    const int device;

  private:
    void work() {
        double free_s = 0;
        while (true) {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return !queue_.empty(); });
            const auto [issued_s, next] = std::move(queue_.front());
            queue_.pop_front();
            lock.unlock();
            if (!next) return;
            free_s = std::max(free_s, issued_s);
            next(free_s);
            lock.lock();
            ++done_;
            changed_.notify_all();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::pair<double, std::function<void(double&)>>> queue_;
    std::uint64_t given_ = 0;
    std::uint64_t done_ = 0;
    std::thread thread_;
};

/// Everything that has a handle; lives to the end of the process.
struct Machine {
    std::mutex mutex;
    int gpus = static_cast<int>(number_of("FAKE_CUDA_GPUS", 1));
    std::map<void*, std::unique_ptr<Stream>> streams;
    std::map<void*, std::unique_ptr<Event>> events;
    std::map<const std::byte*, std::pair<std::size_t, int>> memory;  ///< size, device; -1: pinned
    std::map<int, double> allocated;
    std::map<const void*, std::string> kernels;
    std::map<int, std::unique_ptr<Stream>> legacy;
    std::atomic<long> products = 0;
};

Machine& machine() {
    static Machine& one = *new Machine;
    return one;
}

Stream& stream_of(cudaStream_t handle) {
    Machine& m = machine();
    const std::scoped_lock lock(m.mutex);
    if (handle == nullptr) {
        std::unique_ptr<Stream>& own = m.legacy[current];
        if (!own) own = std::make_unique<Stream>(current);
        return *own;
    }
    const auto found = m.streams.find(handle);
    if (found == m.streams.end()) wrong("a stream that is gone");
    return *found->second;
}

Event& event_of(cudaEvent_t handle) {
    Machine& m = machine();
    const std::scoped_lock lock(m.mutex);
    const auto found = m.events.find(handle);
    if (found == m.events.end()) wrong("an event that is gone");
    return *found->second;
}

cudaStream_t new_stream(int device) {
    auto stream = std::make_unique<Stream>(device);
    auto* const handle = reinterpret_cast<cudaStream_t>(stream.get());
    Machine& m = machine();
    const std::scoped_lock lock(m.mutex);
    m.streams[handle] = std::move(stream);
    return handle;
}

void expect_allocated(const void* address, std::size_t bytes) {
    Machine& m = machine();
    const std::scoped_lock lock(m.mutex);
    const auto* at = static_cast<const std::byte*>(address);
    auto found = m.memory.upper_bound(at);
    if (found == m.memory.begin()) wrong("memory that was not allocated");
    --found;
    if (at + bytes > found->first + found->second.first) wrong("memory beyond its allocation");
}

cudaError_t fail(cudaError_t error) {
    last_error = error;
    return error;
}

cudaError_t allocate(void** data, std::size_t bytes, int device) {
    Machine& m = machine();
    const std::scoped_lock lock(m.mutex);
    const double most = number_of("FAKE_CUDA_MEMORY", 80e9);
    if (device >= 0 && m.allocated[device] + static_cast<double>(bytes) > most)
        return fail(cudaErrorMemoryAllocation);
    *data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (*data == MAP_FAILED) return fail(cudaErrorMemoryAllocation);
    m.memory[static_cast<std::byte*>(*data)] = {bytes, device};
    m.allocated[device] += static_cast<double>(bytes);
    return cudaSuccess;
}

cudaError_t release(void* data) {
    if (data == nullptr) return cudaSuccess;
    Machine& m = machine();
    const std::scoped_lock lock(m.mutex);
    const auto found = m.memory.find(static_cast<std::byte*>(data));
    if (found == m.memory.end()) wrong("frees what was not allocated");
    m.allocated[found->second.second] -= static_cast<double>(found->second.first);
    munmap(data, found->second.first);
    m.memory.erase(found);
    return cudaSuccess;
}

cudaError_t product(cudaStream_t handle) {
    Stream& stream = stream_of(handle);
    if (stream.device != current) wrong("a product on a stream of another GPU");
    if (++machine().products == static_cast<long>(number_of("FAKE_CUDA_HANG", -1))) {
        stream.takes(kForEver);
        return cudaSuccess;
    }
    stream.takes(kProduct);
    return cudaSuccess;
}

struct Configuration {
    cudaStream_t stream;
};
thread_local std::vector<Configuration> configurations;

cudaError_t launch(const void* kernel, void** arguments, cudaStream_t handle) {
    Stream& stream = stream_of(handle);
    if (stream.device != current) wrong("a kernel on a stream of another GPU");
    std::string name;
    {
        const std::scoped_lock lock(machine().mutex);
        name = machine().kernels.at(kernel);
    }
    const bool pauses = name.find("pause") != std::string::npos;
    stream.takes(pauses ? 1e-9 * static_cast<double>(*static_cast<std::uint64_t*>(arguments[0])) : kPass);
    return cudaSuccess;
}

}  // namespace

extern "C" {

// --- kernels
void** __cudaRegisterFatBinary(void*) {
    static void* handle = nullptr;
    return &handle;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterFunction(void**, const char* host, char*, const char* name, int, uint3*, uint3*, dim3*,
                            dim3*, int*) {
    machine().kernels[host] = name;
}
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* host) {
    *kernel = reinterpret_cast<cudaKernel_t>(const_cast<void*>(host));
    return cudaSuccess;
}
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, std::size_t, CUstream_st* stream) {
    if (grid.x == 0 || block.x == 0 || block.x * block.y * block.z > 1024)
        wrong("a kernel of no or too many threads");
    configurations.push_back({stream});
    return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3*, dim3*, std::size_t*, void* stream) {
    *static_cast<cudaStream_t*>(stream) = configurations.back().stream;
    configurations.pop_back();
    return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3, dim3, void** arguments, std::size_t,
                               cudaStream_t stream) {
    return launch(kernel, arguments, stream);
}

// --- devices
cudaError_t cudaGetDeviceCount(int* count) {
    *count = machine().gpus;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
    if (device < 0 || device >= machine().gpus) wrong("a GPU that is not there");
    current = device;
    return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
    *device = current;
    return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
    *properties = {};
    std::strcpy(properties->name, "Fake GPU");
    properties->multiProcessorCount = kMultiprocessors;
    properties->l2CacheSize = 50 << 20;
    properties->totalGlobalMem = std::size_t{80} << 30U;
    properties->major = 9;
    return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaGetLastError() {
    return std::exchange(last_error, cudaSuccess);
}

// --- memory
cudaError_t cudaMalloc(void** data, std::size_t bytes) {
    return allocate(data, bytes, current);
}
cudaError_t cudaMallocHost(void** data, std::size_t bytes) {
    return allocate(data, bytes, -1);
}
cudaError_t cudaFree(void* data) {
    return release(data);
}
cudaError_t cudaFreeHost(void* data) {
    return release(data);
}
cudaError_t cudaMemset(void* data, int, std::size_t bytes) {
    expect_allocated(data, bytes);  // contents are nobody's business, and would take real memory
    return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* data, int, std::size_t bytes, cudaStream_t stream) {
    expect_allocated(data, bytes);
    stream_of(stream).takes(kPass);
    return cudaSuccess;
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
    std::memcpy(to, from, bytes);
    return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t handle) {
    expect_allocated(to, bytes);
    expect_allocated(from, bytes);
    Stream& stream = stream_of(handle);
    stream.give([=](double&) { std::memcpy(to, from, std::min(bytes, std::size_t{1} << 20U)); });
    stream.takes(kMessage);
    return cudaSuccess;
}

// --- streams and events
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
    *stream = new_stream(current);
    return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    Machine& m = machine();
    std::unique_ptr<Stream> gone;
    {
        const std::scoped_lock lock(m.mutex);
        const auto found = m.streams.find(stream);
        if (found == m.streams.end()) wrong("destroys a stream that is gone");
        gone = std::move(found->second);
        m.streams.erase(found);
    }
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    stream_of(stream).synchronize();
    return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
    auto made = std::make_unique<Event>();
    made->device = current;
    *event = reinterpret_cast<cudaEvent_t>(made.get());
    const std::scoped_lock lock(machine().mutex);
    machine().events[*event] = std::move(made);
    return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
    (void)event_of(event);
    const std::scoped_lock lock(machine().mutex);
    machine().events.erase(event);
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream_handle) {
    Event& event = event_of(handle);
    Stream& stream = stream_of(stream_handle);
    if (event.device != stream.device) wrong("records an event on a stream of another GPU");
    std::uint64_t generation = 0;
    {
        const std::scoped_lock lock(event.mutex);
        generation = ++event.recorded;
    }
    stream.give([&event, generation](double& free_s) {
        const std::scoped_lock lock(event.mutex);
        event.reached = generation;
        event.time_s = free_s;
        event.changed.notify_all();
    });
    return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t handle, unsigned) {
    Event& event = event_of(handle);
    std::uint64_t generation = 0;
    {
        const std::scoped_lock lock(event.mutex);
        generation = event.recorded;
    }
    if (generation == 0) wrong("waits for an event that was never recorded");
    stream_of(stream).give([&event, generation](double& free_s) {
        std::unique_lock lock(event.mutex);
        event.changed.wait(lock, [&] { return event.reached >= generation; });
        free_s = std::max(free_s, event.time_s);
    });
    return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t handle) {
    Event& event = event_of(handle);
    const std::scoped_lock lock(event.mutex);
    return event.reached == event.recorded ? cudaSuccess : fail(cudaErrorNotReady);
}
cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
    Event& event = event_of(handle);
    std::unique_lock lock(event.mutex);
    event.changed.wait(lock, [&] { return event.reached == event.recorded; });
    return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
    if (event_of(begin).device != event_of(end).device) wrong("times events of two GPUs");
    *milliseconds = static_cast<float>(1e3 * (event_of(end).time_s - event_of(begin).time_s));
    return cudaSuccess;
}

// --- green contexts
struct FakeGroup {
    int device;
};
CUresult fake_cuDeviceGet(CUdevice* device, int ordinal) {
    *device = ordinal;
    return CUDA_SUCCESS;
}
CUresult fake_cuGetErrorString(CUresult, const char** text) {
    *text = "a fake error";
    return CUDA_SUCCESS;
}
CUresult fake_cuDeviceGetDevResource(CUdevice, CUdevResource* resource, CUdevResourceType type) {
    *resource = {};
    resource->type = type;
    resource->sm.smCount = kMultiprocessors;
    return CUDA_SUCCESS;
}
CUresult fake_cuDevSmResourceSplitByCount(CUdevResource* result, unsigned* groups, const CUdevResource* input,
                                          CUdevResource*, unsigned, unsigned least) {
    const unsigned share = (least + kGranularity - 1) / kGranularity * kGranularity;
    const unsigned most = input->sm.smCount / share;
    if (result == nullptr) {
        *groups = most;
        return CUDA_SUCCESS;
    }
    *groups = std::min(*groups, most);
    for (unsigned i = 0; i < *groups; ++i) {
        result[i] = *input;
        result[i].sm.smCount = share;
    }
    return CUDA_SUCCESS;
}
CUresult fake_cuDevResourceGenerateDesc(CUdevResourceDesc* description, CUdevResource*, unsigned) {
    *description = reinterpret_cast<CUdevResourceDesc>(1);
    return CUDA_SUCCESS;
}
CUresult fake_cuGreenCtxCreate(CUgreenCtx* context, CUdevResourceDesc, CUdevice device, unsigned flags) {
    if (flags != CU_GREEN_CTX_DEFAULT_STREAM) wrong("a green context without its default stream");
    *context = reinterpret_cast<CUgreenCtx>(new FakeGroup{device});
    return CUDA_SUCCESS;
}
CUresult fake_cuGreenCtxDestroy(CUgreenCtx context) {
    delete reinterpret_cast<FakeGroup*>(context);
    return CUDA_SUCCESS;
}
CUresult fake_cuGreenCtxStreamCreate(CUstream* stream, CUgreenCtx context, unsigned flags, int) {
    if (flags != CU_STREAM_NON_BLOCKING) wrong("a stream of a green context must be non-blocking");
    *stream = new_stream(reinterpret_cast<FakeGroup*>(context)->device);
    return CUDA_SUCCESS;
}
cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** address, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* found) {
    static const std::map<std::string, void*> known{
        {"cuDeviceGet", reinterpret_cast<void*>(fake_cuDeviceGet)},
        {"cuGetErrorString", reinterpret_cast<void*>(fake_cuGetErrorString)},
        {"cuDeviceGetDevResource", reinterpret_cast<void*>(fake_cuDeviceGetDevResource)},
        {"cuDevSmResourceSplitByCount", reinterpret_cast<void*>(fake_cuDevSmResourceSplitByCount)},
        {"cuDevResourceGenerateDesc", reinterpret_cast<void*>(fake_cuDevResourceGenerateDesc)},
        {"cuGreenCtxCreate", reinterpret_cast<void*>(fake_cuGreenCtxCreate)},
        {"cuGreenCtxDestroy", reinterpret_cast<void*>(fake_cuGreenCtxDestroy)},
        {"cuGreenCtxStreamCreate", reinterpret_cast<void*>(fake_cuGreenCtxStreamCreate)}};
    const auto one = known.find(name);
    const bool old_driver = std::getenv("FAKE_CUDA_OLD_DRIVER") != nullptr;
    *address = one == known.end() || old_driver ? nullptr : one->second;
    *found = *address == nullptr ? cudaDriverEntryPointSymbolNotFound : cudaDriverEntryPointSuccess;
    return cudaSuccess;
}

// --- cuBLAS
cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
    *handle = reinterpret_cast<cublasHandle_t>(new cudaStream_t(nullptr));
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
    delete reinterpret_cast<cudaStream_t*>(handle);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
    *reinterpret_cast<cudaStream_t*>(handle) = stream;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void* workspace, std::size_t bytes) {
    expect_allocated(workspace, bytes);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetSmCountTarget(cublasHandle_t, int) {
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t, cublasOperation_t, int,
                                          int, int, const void*, const void* a, cudaDataType, int, long long,
                                          const void* b, cudaDataType, int, long long, const void*, void* c,
                                          cudaDataType, int, long long, int, cublasComputeType_t,
                                          cublasGemmAlgo_t) {
    for (const void* each : {a, b, static_cast<const void*>(c)}) expect_allocated(each, 1);
    product(*reinterpret_cast<cudaStream_t*>(handle));
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGemmGroupedBatchedEx(cublasHandle_t handle, const cublasOperation_t*,
                                          const cublasOperation_t*, const int*, const int*, const int*,
                                          const void*, const void* const*, cudaDataType_t, const int*,
                                          const void* const*, cudaDataType_t, const int*, const void*,
                                          void* const*, cudaDataType_t, const int*, int, const int*,
                                          cublasComputeType_t) {
    product(*reinterpret_cast<cudaStream_t*>(handle));
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
    *handle = reinterpret_cast<cublasLtHandle_t>(1);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t) {
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int,
                                              cublasLtMatmulHeuristicResult_t* result, int* found) {
    *result = {};
    *found = 1;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t, const void*, const void* a,
                              cublasLtMatrixLayout_t, const void* b, cublasLtMatrixLayout_t, const void*,
                              const void* c, cublasLtMatrixLayout_t, void* d, cublasLtMatrixLayout_t,
                              const cublasLtMatmulAlgo_t*, void*, std::size_t, cudaStream_t stream) {
    for (const void* each : {a, b, c, static_cast<const void*>(d)}) expect_allocated(each, 1);
    product(stream);
    return CUBLAS_STATUS_SUCCESS;
}

// --- NCCL: an operation's members meet on their streams
struct FakeComm {
    struct Group {
        std::mutex mutex;
        std::condition_variable changed;
        std::map<std::uint64_t, std::pair<int, double>> arrived;  ///< [operation] how many, and the last
        int size = 0;
    };
    std::shared_ptr<Group> group;
    std::uint64_t operations = 0;
    bool pending = false;  ///< issued in the open group
};
thread_local int open_groups = 0;
thread_local std::vector<std::pair<FakeComm*, cudaStream_t>> issued;
std::map<std::string, std::shared_ptr<FakeComm::Group>> groups_by_id;

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
    static std::atomic<int> next = 0;
    *id = {};
    std::snprintf(id->internal, sizeof id->internal, "group %d", next++);
    return ncclSuccess;
}
ncclResult_t ncclCommInitRank(ncclComm_t* comm, int size, ncclUniqueId id, int) {
    if (open_groups == 0) wrong("NCCL: a communicator made by one thread outside of a group");
    const std::scoped_lock lock(machine().mutex);
    std::shared_ptr<FakeComm::Group>& group = groups_by_id[id.internal];
    if (!group) group = std::make_shared<FakeComm::Group>();
    group->size = size;
    *comm = reinterpret_cast<ncclComm_t>(new FakeComm{group, 0, false});
    return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
    delete reinterpret_cast<FakeComm*>(comm);
    return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t) {
    return ncclSuccess;
}
ncclResult_t ncclGroupStart() {
    ++open_groups;
    return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
    if (--open_groups > 0) return ncclSuccess;
    for (const auto& [comm, stream] : issued) {
        comm->pending = false;
        const std::uint64_t operation = comm->operations++;
        stream_of(stream).give([group = comm->group, operation](double& free_s) {
            std::unique_lock lock(group->mutex);
            auto& [count, last] = group->arrived[operation];
            ++count;
            last = std::max(last, free_s);
            group->changed.notify_all();
            group->changed.wait(lock, [&] { return group->arrived[operation].first == group->size; });
            free_s = group->arrived[operation].second;
        });
        stream_of(stream).takes(kMessage);
    }
    issued.clear();
    return ncclSuccess;
}
static ncclResult_t side(ncclComm_t handle, const void* buffer, std::size_t count, cudaStream_t stream) {
    if (open_groups == 0) wrong("NCCL: an operation outside of a group");
    expect_allocated(buffer, count * sizeof(float));
    auto* comm = reinterpret_cast<FakeComm*>(handle);
    if (!comm->pending) issued.emplace_back(comm, stream);
    comm->pending = true;
    return ncclSuccess;
}
ncclResult_t ncclAllReduce(const void* from, void* to, std::size_t n, ncclDataType_t, ncclRedOp_t,
                           ncclComm_t c, cudaStream_t s) {
    (void)side(c, from, n, s);
    return side(c, to, n, s);
}
ncclResult_t ncclAllGather(const void* from, void* to, std::size_t n, ncclDataType_t, ncclComm_t c,
                           cudaStream_t s) {
    (void)side(c, from, n, s);
    return side(c, to, n * static_cast<std::size_t>(reinterpret_cast<FakeComm*>(c)->group->size), s);
}
ncclResult_t ncclReduceScatter(const void* from, void* to, std::size_t n, ncclDataType_t, ncclRedOp_t,
                               ncclComm_t c, cudaStream_t s) {
    (void)side(c, to, n, s);
    return side(c, from, n * static_cast<std::size_t>(reinterpret_cast<FakeComm*>(c)->group->size), s);
}
ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t n, ncclDataType_t, int, ncclComm_t c,
                           cudaStream_t s) {
    (void)side(c, from, n, s);
    return side(c, to, n, s);
}
ncclResult_t ncclReduce(const void* from, void* to, std::size_t n, ncclDataType_t, ncclRedOp_t, int,
                        ncclComm_t c, cudaStream_t s) {
    (void)side(c, from, n, s);
    return side(c, to, n, s);
}
ncclResult_t ncclSend(const void* from, std::size_t n, ncclDataType_t, int, ncclComm_t c, cudaStream_t s) {
    return side(c, from, n, s);
}
ncclResult_t ncclRecv(void* to, std::size_t n, ncclDataType_t, int, ncclComm_t c, cudaStream_t s) {
    return side(c, to, n, s);
}

}  // extern "C"
