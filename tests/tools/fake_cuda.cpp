// libcuda over host memory, as strict as a driver: work waits on its stream until that is waited for,
// and whatever a driver would refuse, or would corrupt memory by, is refused and told.
//
// Threads have contexts of their own; device memory, pinned memory, streams and graphs must be alive,
// copies must stay inside them, and nothing may be taken or waited for while a stream records.
// The kernels are those of kernels.cu compiled for the host.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <vector>

enum { OK, INVALID_VALUE, OUT_OF_MEMORY, INVALID_IMAGE = 200, INVALID_CONTEXT, INVALID_HANDLE = 400,
       NOT_FOUND = 500, ILLEGAL_ADDRESS = 700, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED };
typedef unsigned long long address;
typedef std::function<int()> Work;
typedef std::map<address, size_t> Blocks;
struct Graph { std::vector<Work> work; };
struct Stream { std::vector<Work> waiting; Graph* recording = nullptr; bool is_spoilt = false, is_non_blocking = false; };
struct Context {};

static std::recursive_mutex all;
static Context primary;
static int retained = 0, lost = 0;
static Blocks device, pinned;
static std::set<Stream*> streams;
static std::set<Graph*> graphs, executables;
static thread_local std::vector<Context*> current;
static thread_local Stream* recording = nullptr;
static const size_t TOTAL = 1 << 30;
#define LOCKED std::lock_guard<std::recursive_mutex> guard(all)
#define IN_CONTEXT LOCKED; if (lost) return lost; if (current.empty() || !retained) return INVALID_CONTEXT
#define NOT_WHILE_RECORDING if (recording) { recording->is_spoilt = true; return CAPTURE_UNSUPPORTED; }

static bool holds(const Blocks& blocks, address where, size_t size) {
    Blocks::const_iterator after = blocks.upper_bound(where);
    if (after == blocks.begin()) return false;
    --after;
    return where + size <= after->first + after->second;
}
static int put(void* handle, Work work) {
    Stream* stream = (Stream*)handle;
    if (!streams.count(stream)) return INVALID_HANDLE;
    (stream->recording ? stream->recording->work : stream->waiting).push_back(work);
    return OK;
}
static int copy(void* to, const void* from, size_t size, void* stream, const Blocks& target, const Blocks& source) {
    Work work = [=, &target, &source] {
        if (!holds(target, (address)to, size) || !holds(source, (address)from, size)) return (int)ILLEGAL_ADDRESS;
        memcpy(to, from, size);
        return (int)OK;
    };
    if (!holds(target, (address)to, size) || !holds(source, (address)from, size)) return INVALID_VALUE;
    return put(stream, work);
}
static size_t taken() {
    size_t sum = 0;
    for (Blocks::value_type& block : device) sum += block.second;
    return sum;
}

extern "C" {
typedef void (*Kernel)(void*, void*, void*, int, int, int);
void anpr_letterbox_float(void*, void*, void*, int, int, int);
void anpr_rectify_float(void*, void*, void*, int, int, int);

// For the tests: what is alive, and a GPU that falls off the bus.
size_t fake_alive(int which) {
    LOCKED;
    size_t counts[] = {device.size(), pinned.size(), streams.size(), executables.size(), graphs.size()};
    return counts[which];
}
void fake_lose(int code) { lost = code; }
int fake_blocking_streams() { int sum = 0; for (Stream* one : streams) sum += !one->is_non_blocking; return sum; }

int cuGetErrorString(int, const char** text) { return *text = "as the fake has it", OK; }
int cuInit(unsigned flags) { return flags ? INVALID_VALUE : OK; }
int cuDeviceGetCount(int* count) { return *count = 1, OK; }
int cuDeviceGet(int* gpu, int index) { return *gpu = 40 + index, index ? 101 : OK; }
int cuDeviceGetName(char* name, int size, int gpu) { return gpu == 40 ? strncpy(name, "Fake", size), OK : 101; }
int cuDeviceGetAttribute(int* value, int which, int) { return *value = which == 75 ? 9 : 0, OK; }
int cuDeviceComputeCapability(int* major, int* minor, int) { return *major = 9, *minor = 0, OK; }
int cuDriverGetVersion(int* version) { return *version = 13020, OK; }
int cuDeviceTotalMem_v2(size_t* size, int) { return *size = TOTAL, OK; }
int cuDevicePrimaryCtxRetain(void** context, int gpu) { LOCKED; return ++retained, *context = &primary, gpu == 40 ? OK : 101; }
int cuDevicePrimaryCtxRelease_v2(int) { LOCKED; return retained-- > 0 ? OK : INVALID_CONTEXT; }
int cuCtxPushCurrent_v2(void* context) { return context == &primary ? current.push_back(&primary), OK : INVALID_CONTEXT; }
int cuCtxPopCurrent_v2(void** context) {
    if (current.empty()) return INVALID_CONTEXT;
    return *context = current.back(), current.pop_back(), OK;
}
int cuMemGetInfo_v2(size_t* left, size_t* total) { IN_CONTEXT; return *left = TOTAL - taken(), *total = TOTAL, OK; }

int cuModuleLoadData(void** module, const char* source) {
    IN_CONTEXT;
    NOT_WHILE_RECORDING;
    return *module = (void*)strstr(source, ".version"), *module ? OK : INVALID_IMAGE;
}
int cuModuleLoadDataEx(void** module, const char* source, unsigned, void*, void*) { return cuModuleLoadData(module, source); }
int cuModuleUnload(void*) { IN_CONTEXT; return OK; }
int cuModuleGetFunction(void** function, void* module, const char* name) {
    IN_CONTEXT;
    *function = !module ? nullptr
                : !strcmp(name, "anpr_letterbox_float") ? (void*)anpr_letterbox_float
                : !strcmp(name, "anpr_rectify_float") ? (void*)anpr_rectify_float : nullptr;
    return *function ? OK : NOT_FOUND;
}
int cuFuncSetBlockShape(void*, int, int, int) { return OK; }

int cuStreamCreate(void** stream, unsigned flags) {
    IN_CONTEXT;
    Stream* made = new Stream();
    made->is_non_blocking = flags & 1;
    return streams.insert(made), *stream = made, OK;
}
int cuStreamDestroy_v2(void* stream) { IN_CONTEXT; return streams.erase((Stream*)stream) ? OK : INVALID_HANDLE; }
int cuStreamSynchronize(void* handle) {
    IN_CONTEXT;
    Stream* stream = (Stream*)handle;
    if (!streams.count(stream)) return INVALID_HANDLE;
    if (stream->recording) return stream->is_spoilt = true, CAPTURE_UNSUPPORTED;
    std::vector<Work> work;
    work.swap(stream->waiting);
    for (Work& one : work)
        if (int code = one()) return fprintf(stderr, "fake_cuda: work on freed or foreign memory\n"), code;
    return OK;
}
int cuStreamBeginCapture_v2(void* handle, int mode) {
    IN_CONTEXT;
    Stream* stream = (Stream*)handle;
    if (!streams.count(stream)) return INVALID_HANDLE;
    if (mode < 0 || mode > 2 || stream->recording) return INVALID_VALUE;
    stream->recording = new Graph(), stream->is_spoilt = false, recording = stream;
    return OK;
}
int cuStreamEndCapture(void* handle, void** graph) {
    IN_CONTEXT;
    Stream* stream = (Stream*)handle;
    if (!streams.count(stream)) return INVALID_HANDLE;
    Graph* made = stream->recording;
    stream->recording = nullptr, recording = nullptr, *graph = nullptr;
    if (!made) return 902;
    if (stream->is_spoilt) return delete made, CAPTURE_INVALIDATED;
    return graphs.insert(made), *graph = made, OK;
}
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long flags) {
    IN_CONTEXT;
    if (flags || !graphs.count((Graph*)graph)) return INVALID_VALUE;
    Graph* made = new Graph(*(Graph*)graph);
    return executables.insert(made), *executable = made, OK;
}
int cuGraphDestroy(void* graph) { LOCKED; return graphs.erase((Graph*)graph) ? OK : INVALID_HANDLE; }
int cuGraphExecDestroy(void* graph) { LOCKED; return executables.erase((Graph*)graph) ? OK : INVALID_HANDLE; }
int cuGraphLaunch(void* graph, void* stream) {
    IN_CONTEXT;
    if (!executables.count((Graph*)graph)) return INVALID_HANDLE;
    for (Work& work : ((Graph*)graph)->work)
        if (int code = put(stream, work)) return code;
    return OK;
}

int cuMemAlloc_v2(address* where, size_t size) {
    IN_CONTEXT;
    NOT_WHILE_RECORDING;
    if (!size) return INVALID_VALUE;
    if (taken() + size > TOTAL) return OUT_OF_MEMORY;
    return *where = (address)malloc(size), device[*where] = size, OK;
}
int cuMemFree_v2(address where) { IN_CONTEXT; return device.erase(where) ? free((void*)where), OK : INVALID_VALUE; }
int cuMemHostAlloc(void** where, size_t size, unsigned) {
    IN_CONTEXT;
    NOT_WHILE_RECORDING;
    if (!size) return INVALID_VALUE;
    return *where = calloc(size, 1), pinned[(address)*where] = size, OK;
}
int cuMemFreeHost(void* where) { IN_CONTEXT; return pinned.erase((address)where) ? free(where), OK : INVALID_VALUE; }
int cuMemcpyHtoDAsync_v2(address to, const void* from, size_t size, void* stream) {
    IN_CONTEXT;
    return copy((void*)to, from, size, stream, device, pinned);
}
int cuMemcpyDtoHAsync_v2(void* to, address from, size_t size, void* stream) {
    IN_CONTEXT;
    return copy(to, (void*)from, size, stream, pinned, device);
}
int cuMemcpyDtoDAsync_v2(address to, address from, size_t size, void* stream) {
    IN_CONTEXT;
    return copy((void*)to, (void*)from, size, stream, device, device);
}
int cuLaunchKernel(void* function, unsigned x, unsigned y, unsigned z, unsigned across, unsigned down, unsigned deep,
                   unsigned shared, void* stream, void** values, void** extra) {
    IN_CONTEXT;
    void *frames, *table, *out;
    int sizes[3];
    if (values) {
        frames = *(void**)values[0], table = *(void**)values[1], out = *(void**)values[2];
        for (int index = 0; index < 3; ++index) sizes[index] = *(int*)values[3 + index];
    } else {  // a buffer with the arguments in their places: pointer, size, end
        if (extra[0] != (void*)1 || extra[2] != (void*)2 || *(size_t*)extra[3] != 36) return INVALID_VALUE;
        char* buffer = (char*)extra[1];
        memcpy(&frames, buffer, 8), memcpy(&table, buffer + 8, 8), memcpy(&out, buffer + 16, 8);
        memcpy(sizes, buffer + 24, 12);
    }
    int batch = sizes[0], width = sizes[1], height = sizes[2];
    if (shared || across * down * deep > 1024 || y > 65535 || z > 65535) return INVALID_VALUE;
    if (x * across < (unsigned)width || y * down < (unsigned)height || z * deep != (unsigned)batch) return INVALID_VALUE;
    return put(stream, [=] {
        size_t row = function == (void*)anpr_rectify_float ? 40 : 24;
        if (!holds(device, (address)frames, 72 * batch) || !holds(device, (address)table, row * batch) ||
            !holds(device, (address)out, (size_t)12 * batch * width * height)) return (int)ILLEGAL_ADDRESS;
        for (int index = 0; index < batch; ++index)
            if (!holds(device, *(address*)((char*)frames + 72 * index), 1)) return (int)ILLEGAL_ADDRESS;
        ((Kernel)function)(frames, table, out, batch, width, height);
        return (int)OK;
    });
}
}
