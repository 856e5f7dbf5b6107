/* SPDX-License-Identifier: MIT */
#include "test/fault/power.h"

#if defined(EYOT_HAVE_SQLITE)
#include <sqlite3.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "test/eyot_test.h"

enum { SHM_REGIONS = 64, NAMES = 16 };

typedef struct bytes {
    unsigned char *p;
    size_t n, cap;
} bytes;

/* A write, or a cut (`p` NULL) to length `at`. */
typedef struct change {
    size_t at, n;
    unsigned char *p;
} change;

typedef struct power_file power_file;

/* What a name stands for. */
typedef struct inode {
    struct inode *next; /* of all there are */
    bytes now, disk;
    change *changes; /* since the last sync */
    size_t n_changes, cap_changes;
    bool database, has_wal;
    bool cut; /* a WAL that was cut, and not synced since */
    /* locks of the file, and of its shared memory */
    int n_shared;
    power_file *reserved, *pending, *exclusive;
    void *shm[SHM_REGIONS];
    int n_shm, n_mapped;
    int shm_shared[SQLITE_SHM_NLOCK];
    power_file *shm_exclusive[SQLITE_SHM_NLOCK];
} inode;

typedef struct name {
    char path[600];
    inode *now, *disk; /* NULL: there is none */
} name;

struct power_file {
    sqlite3_file base;
    inode *inode;
    int level;          /* SQLITE_LOCK_… */
    bool syncs_its_dir; /* with its first sync, as the VFS of unix does with a WAL or journal */
    bool mapped;
    unsigned shm_shared, shm_exclusive; /* bits */
};

/* One lock over all of it. */
static struct {
    pthread_mutex_t lock;
    sqlite3_vfs vfs, *before;
    name names[NAMES];
    size_t n_names;
    inode *inodes;
    uint64_t random;
    bool off, waiting, in_checkpoint;
    bool kills; /* in place of the power failure */
    power_from from;
    uint64_t left;        /* calls until the power fails; 0: it does not */
    uint64_t refuse_left; /* calls until one is refused; 0: none */
    bool full, refusing, refused;
    power_count count;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- bytes ------------------------------------------------------------------------------------------------------ */

static void *need(void *p)
{
    if (!p) abort();
    return p;
}

static void set_size(bytes *b, size_t n)
{
    if (n > b->cap) {
        b->cap = n + n / 2 + 4096;
        b->p = need(realloc(b->p, b->cap));
    }
    if (n > b->n) memset(b->p + b->n, 0, n - b->n);
    b->n = n;
}

static void put(bytes *b, size_t at, const unsigned char *p, size_t n)
{
    if (at + n > b->n) set_size(b, at + n);
    memcpy(b->p + at, p, n);
}

static void assign(bytes *to, const bytes *from)
{
    set_size(to, from->n);
    if (from->n) memcpy(to->p, from->p, from->n);
}

static void apply(bytes *b, const change *c)
{
    if (c->p)
        put(b, c->at, c->p, c->n);
    else if (c->at < b->n)
        set_size(b, c->at);
}

static void forget_changes(inode *f)
{
    for (size_t i = 0; i < f->n_changes; i++) free(f->changes[i].p);
    f->n_changes = 0;
}

static void add_change(inode *f, size_t at, const void *p, size_t n)
{
    change c = {.at = at, .n = n};
    if (p) c.p = memcpy(need(malloc(n ? n : 1)), p, n);
    if (f->n_changes == f->cap_changes) {
        f->cap_changes = f->cap_changes ? f->cap_changes * 2 : 64;
        f->changes = need(realloc(f->changes, f->cap_changes * sizeof *f->changes));
    }
    f->changes[f->n_changes++] = c;
    apply(&f->now, &c);
}

/* ---- losing power ----------------------------------------------------------------------------------------------- */

static bool chance(unsigned of_16)
{
    return test_random(&disk.random) % 16 < of_16;
}

/* Of a write some sectors: each one, none, or bytes that nobody wrote where it was. */
static void survive_write(inode *f, const change *c, size_t sector, unsigned likely)
{
    for (size_t at = c->at, end = c->at + c->n; at < end;) {
        size_t n = sector - at % sector;
        if (n > end - at) n = end - at;
        disk.count.unsynced++;
        if (chance(likely)) {
            put(&f->disk, at, c->p + (at - c->at), n);
            disk.count.survived++;
            if (likely < 16 && test_random(&disk.random) % 64 == 0)
                for (size_t i = 0; i < n; i++) f->disk.p[at + i] = (unsigned char)test_random(&disk.random);
        }
        at += n;
    }
}

static void survive(inode *f)
{
    static const unsigned how_likely[] = {0, 1, 8, 8, 8, 14, 16};
    unsigned likely = how_likely[test_random(&disk.random) % 7];
    size_t sector = chance(8) ? 512 : 4096;
    for (size_t i = 0; i < f->n_changes; i++) {
        const change *c = &f->changes[i];
        if (c->p)
            survive_write(f, c, sector, likely);
        else if (chance(likely))
            apply(&f->disk, c);
    }
    forget_changes(f);
    f->cut = false;
}

static void lose_power(bool in_sync)
{
    bool after_cut = false;
    for (const inode *f = disk.inodes; f; f = f->next) after_cut |= f->cut;
    disk.count.lost++;
    disk.count.lost_in_sync += in_sync;
    disk.count.lost_in_checkpoint += disk.in_checkpoint;
    disk.count.lost_after_cut += after_cut;
    for (size_t i = 0; i < disk.n_names; i++) {
        name *n = &disk.names[i];
        if (n->now == n->disk) continue;
        disk.count.names++;
        if (chance(8)) n->disk = n->now;
    }
    for (inode *f = disk.inodes; f; f = f->next) survive(f);
}

static void stop(bool in_sync)
{
    if (disk.kills)
        disk.count.kills++;
    else
        lose_power(in_sync);
    disk.off = true;
    disk.in_checkpoint = disk.waiting = disk.refusing = false;
    disk.left = disk.refuse_left = 0;
}

/* Of a call that changes the disk. The last one may have its effect, but nobody is told. */
typedef enum verdict { GOES_ON, IS_REFUSED, IS_LAST, IS_OFF } verdict;

static verdict judge(void)
{
    if (disk.off) return IS_OFF;
    disk.count.calls++;
    if (disk.refusing || (disk.refuse_left && --disk.refuse_left == 0)) {
        disk.refusing = disk.full;
        disk.refused = true;
        return IS_REFUSED;
    }
    return !disk.waiting && disk.left && --disk.left == 0 ? IS_LAST : GOES_ON;
}

static void begins(power_from moment)
{
    if (disk.waiting && disk.from == moment) disk.waiting = false;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static power_file *of(sqlite3_file *file)
{
    return (power_file *)(void *)file;
}

static int file_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at)
{
    const bytes *b = &of(file)->inode->now;
    int rc = SQLITE_OK;
    pthread_mutex_lock(&disk.lock);
    size_t from = (size_t)at, have = from < b->n ? b->n - from : 0;
    if (have > (size_t)n) have = (size_t)n;
    if (have) memcpy(to, b->p + from, have);
    if (have < (size_t)n) {
        memset((char *)to + have, 0, (size_t)n - have);
        rc = SQLITE_IOERR_SHORT_READ;
    }
    if (disk.off) rc = SQLITE_IOERR_READ;
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static int file_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 at)
{
    inode *f = of(file)->inode;
    pthread_mutex_lock(&disk.lock);
    if (f->database && f->has_wal && !disk.off) {
        if (!disk.in_checkpoint) disk.count.checkpoints++;
        disk.in_checkpoint = true;
        begins(POWER_CHECKPOINT);
    }
    verdict v = judge();
    if (v == GOES_ON || v == IS_LAST) add_change(f, (size_t)at, from, (size_t)n);
    if (v == IS_LAST) stop(false);
    pthread_mutex_unlock(&disk.lock);
    return v == GOES_ON ? SQLITE_OK : v == IS_REFUSED && disk.full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    inode *f = of(file)->inode;
    pthread_mutex_lock(&disk.lock);
    verdict v = judge();
    if (v == GOES_ON || v == IS_LAST) add_change(f, (size_t)size, NULL, 0);
    if (v == IS_LAST) stop(false);
    if (v == GOES_ON && !f->database && size == 0) {
        begins(POWER_CUT);
        f->cut = true;
        disk.in_checkpoint = false;
    }
    pthread_mutex_unlock(&disk.lock);
    return v == GOES_ON ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static void sync_names(void)
{
    for (size_t i = 0; i < disk.n_names; i++) disk.names[i].disk = disk.names[i].now;
}

static int file_sync(sqlite3_file *file, int flags)
{
    power_file *p = of(file);
    inode *f = p->inode;
    (void)flags;
    pthread_mutex_lock(&disk.lock);
    verdict v = judge();
    if (v == GOES_ON) {
        for (size_t i = 0; i < f->n_changes; i++) apply(&f->disk, &f->changes[i]);
        f->cut = false;
        if (p->syncs_its_dir) sync_names();
        p->syncs_its_dir = false;
        disk.count.syncs++;
    }
    if (v == IS_LAST) stop(true);
    if (v == GOES_ON || v == IS_REFUSED) forget_changes(f);
    pthread_mutex_unlock(&disk.lock);
    return v == GOES_ON ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    pthread_mutex_lock(&disk.lock);
    *size = (sqlite3_int64)of(file)->inode->now.n;
    pthread_mutex_unlock(&disk.lock);
    return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
    (void)file, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}

static int sector_size(sqlite3_file *file)
{
    (void)file;
    return 4096;
}

static int characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---- locks ------------------------------------------------------------------------------------------------------ */

static int take_lock(power_file *p, int level)
{
    inode *f = p->inode;
    if (p->level == SQLITE_LOCK_NONE) {
        if (f->pending || f->exclusive) return SQLITE_BUSY;
        f->n_shared++;
        p->level = SQLITE_LOCK_SHARED;
    }
    if (level == SQLITE_LOCK_SHARED) return SQLITE_OK;
    if ((f->reserved && f->reserved != p) || (f->pending && f->pending != p)) return SQLITE_BUSY;
    if (level == SQLITE_LOCK_RESERVED) {
        f->reserved = p;
    } else {
        f->pending = p;
        p->level = SQLITE_LOCK_PENDING;
        if (f->n_shared > 1) return SQLITE_BUSY;
        f->exclusive = p;
    }
    p->level = level;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *file, int level)
{
    power_file *p = of(file);
    pthread_mutex_lock(&disk.lock);
    int rc = p->level >= level ? SQLITE_OK : take_lock(p, level);
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static int file_unlock(sqlite3_file *file, int level)
{
    power_file *p = of(file);
    inode *f = p->inode;
    pthread_mutex_lock(&disk.lock);
    if (p->level > level) {
        if (f->reserved == p) f->reserved = NULL;
        if (f->pending == p) f->pending = NULL;
        if (f->exclusive == p) f->exclusive = NULL;
        if (level == SQLITE_LOCK_NONE) f->n_shared--;
        p->level = level;
    }
    pthread_mutex_unlock(&disk.lock);
    return SQLITE_OK;
}

static int file_reserved(sqlite3_file *file, int *out)
{
    const inode *f = of(file)->inode;
    pthread_mutex_lock(&disk.lock);
    *out = f->reserved || f->pending || f->exclusive;
    pthread_mutex_unlock(&disk.lock);
    return SQLITE_OK;
}

/* ---- shared memory ---------------------------------------------------------------------------------------------- */

static int shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
    power_file *p = of(file);
    inode *f = p->inode;
    pthread_mutex_lock(&disk.lock);
    if (!p->mapped) f->n_mapped++;
    p->mapped = true;
    while (extend && f->n_shm <= region && f->n_shm < SHM_REGIONS) f->shm[f->n_shm++] = need(calloc(1, (size_t)size));
    *out = region < f->n_shm ? f->shm[region] : NULL;
    pthread_mutex_unlock(&disk.lock);
    return extend && !*out ? SQLITE_IOERR_SHMMAP : SQLITE_OK;
}

static void shm_release(power_file *p, int slot)
{
    inode *f = p->inode;
    unsigned bit = 1u << slot;
    if (p->shm_exclusive & bit) f->shm_exclusive[slot] = NULL;
    if (p->shm_shared & bit) f->shm_shared[slot]--;
    p->shm_exclusive &= ~bit;
    p->shm_shared &= ~bit;
}

static bool shm_may(const power_file *p, int slot, bool exclusive)
{
    const inode *f = p->inode;
    int mine = (p->shm_shared >> slot) & 1;
    if (f->shm_exclusive[slot] && f->shm_exclusive[slot] != p) return false;
    return !exclusive || f->shm_shared[slot] == mine;
}

static int shm_lock(sqlite3_file *file, int from, int n, int flags)
{
    power_file *p = of(file);
    bool exclusive = flags & SQLITE_SHM_EXCLUSIVE, good = true;
    pthread_mutex_lock(&disk.lock);
    if (flags & SQLITE_SHM_UNLOCK) {
        for (int i = from; i < from + n; i++) shm_release(p, i);
    } else {
        for (int i = from; i < from + n; i++) good &= shm_may(p, i, exclusive);
        for (int i = from; i < from + n && good; i++) {
            unsigned bit = 1u << i;
            if (exclusive) {
                p->inode->shm_exclusive[i] = p;
                p->shm_exclusive |= bit;
            } else if (!(p->shm_shared & bit)) {
                p->inode->shm_shared[i]++;
                p->shm_shared |= bit;
            }
        }
    }
    pthread_mutex_unlock(&disk.lock);
    return good ? SQLITE_OK : SQLITE_BUSY;
}

static void shm_barrier(sqlite3_file *file)
{
    (void)file;
    pthread_mutex_lock(&disk.lock);
    pthread_mutex_unlock(&disk.lock);
}

/* Who maps it first begins anew, as with unix: what is left behind counts for nothing. */
static void forget_shm(inode *f)
{
    while (f->n_shm > 0) free(f->shm[--f->n_shm]);
}

static int shm_unmap(sqlite3_file *file, int delete_it)
{
    power_file *p = of(file);
    (void)delete_it;
    pthread_mutex_lock(&disk.lock);
    for (int i = 0; i < SQLITE_SHM_NLOCK; i++) shm_release(p, i);
    if (p->mapped && --p->inode->n_mapped == 0) forget_shm(p->inode);
    p->mapped = false;
    pthread_mutex_unlock(&disk.lock);
    return SQLITE_OK;
}

static int file_close(sqlite3_file *file)
{
    file_unlock(file, SQLITE_LOCK_NONE);
    return shm_unmap(file, 0);
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

static name *find_name(const char *path)
{
    for (size_t i = 0; i < disk.n_names; i++)
        if (strcmp(disk.names[i].path, path) == 0) return &disk.names[i];
    if (disk.n_names == NAMES || strlen(path) >= sizeof disk.names[0].path) abort();
    name *n = &disk.names[disk.n_names++];
    *n = (name){.now = NULL};
    memcpy(n->path, path, strlen(path) + 1);
    return n;
}

static inode *make_inode(bool database)
{
    inode *f = need(calloc(1, sizeof *f));
    f->database = database;
    f->next = disk.inodes;
    disk.inodes = f;
    return f;
}

static void see_wal(const char *path, bool there)
{
    static const char tail[] = "-wal";
    size_t n = strlen(path), tail_n = sizeof tail - 1;
    if (n < tail_n || strcmp(path + n - tail_n, tail) != 0) return;
    for (size_t i = 0; i < disk.n_names; i++) {
        name *of_db = &disk.names[i];
        if (strlen(of_db->path) == n - tail_n && memcmp(of_db->path, path, n - tail_n) == 0 && of_db->now)
            of_db->now->has_wal = there;
    }
}

/* A database is there when the host has made its file, which stays empty. */
static bool may_make(const char *path, int flags)
{
    struct stat st;
    return flags & SQLITE_OPEN_CREATE || (flags & SQLITE_OPEN_MAIN_DB && stat(path, &st) == 0);
}

static int open_name(const char *path, int flags, inode **out)
{
    name *n = path ? find_name(path) : NULL;
    *out = n ? n->now : NULL;
    if (*out) return disk.off ? SQLITE_CANTOPEN : SQLITE_OK;
    if (path && !may_make(path, flags)) return SQLITE_CANTOPEN;
    verdict v = judge();
    if (v == GOES_ON || v == IS_LAST) {
        *out = make_inode(flags & SQLITE_OPEN_MAIN_DB);
        if (n) n->now = *out;
        if (n) see_wal(path, true);
    }
    if (v == IS_LAST) stop(false);
    return v == GOES_ON ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags)
{
    static const sqlite3_io_methods methods = {
        2,         file_close,  file_read,     file_write,   file_truncate, file_sync,       file_size,
        file_lock, file_unlock, file_reserved, file_control, sector_size,   characteristics, shm_map,
        shm_lock,  shm_barrier, shm_unmap,     NULL,         NULL,
    };
    power_file *p = of(file);
    (void)vfs;
    memset(p, 0, sizeof *p);
    pthread_mutex_lock(&disk.lock);
    int rc = open_name(path, flags, &p->inode);
    pthread_mutex_unlock(&disk.lock);
    if (rc != SQLITE_OK) return rc;
    int journals = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL;
    p->syncs_its_dir = flags & SQLITE_OPEN_CREATE && flags & journals;
    p->base.pMethods = &methods;
    if (out_flags) *out_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_dir)
{
    (void)vfs;
    int rc = SQLITE_IOERR_DELETE_NOENT;
    pthread_mutex_lock(&disk.lock);
    name *n = find_name(path);
    if (n->now) {
        verdict v = judge();
        if (v == GOES_ON || v == IS_LAST) {
            n->now = NULL;
            see_wal(path, false);
        }
        if (v == IS_LAST) stop(false);
        if (v == GOES_ON && sync_dir) sync_names();
        rc = v == GOES_ON ? SQLITE_OK : SQLITE_IOERR_DELETE;
    }
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    (void)vfs, (void)flags;
    pthread_mutex_lock(&disk.lock);
    const name *n = find_name(path);
    /* To SQLite an empty journal or WAL is none. */
    *out = n->now && (flags != SQLITE_ACCESS_EXISTS || n->now->now.n > 0);
    pthread_mutex_unlock(&disk.lock);
    return SQLITE_OK;
}

static int vfs_path(sqlite3_vfs *vfs, const char *path, int room, char *out)
{
    (void)vfs;
    if (strlen(path) >= (size_t)room) return SQLITE_CANTOPEN;
    memcpy(out, path, strlen(path) + 1);
    return SQLITE_OK;
}

/* ---- for tests -------------------------------------------------------------------------------------------------- */

static void empty_disk(void)
{
    while (disk.inodes) {
        inode *f = disk.inodes;
        disk.inodes = f->next;
        forget_changes(f);
        forget_shm(f);
        free(f->changes);
        free(f->now.p);
        free(f->disk.p);
        free(f);
    }
    disk.n_names = 0;
    disk.off = disk.waiting = disk.in_checkpoint = disk.full = disk.refusing = disk.refused = false;
    disk.left = disk.refuse_left = 0;
}

void power_plug_in(uint64_t seed)
{
    if (!disk.before) {
        disk.before = sqlite3_vfs_find(NULL);
        disk.vfs = *disk.before;
        disk.vfs.zName = "power";
        disk.vfs.szOsFile = sizeof(power_file);
        disk.vfs.xOpen = vfs_open;
        disk.vfs.xDelete = vfs_delete;
        disk.vfs.xAccess = vfs_access;
        disk.vfs.xFullPathname = vfs_path;
    }
    CHECK_OK(sqlite3_vfs_register(&disk.vfs, 1));
    empty_disk();
    disk.random = seed;
}

void power_unplug(void)
{
    sqlite3_vfs_unregister(&disk.vfs);
    sqlite3_vfs_register(disk.before, 1);
    empty_disk();
}

static void aim(power_from from, uint64_t after, bool kills)
{
    pthread_mutex_lock(&disk.lock);
    disk.kills = kills;
    disk.from = from;
    disk.waiting = from != POWER_NOW;
    disk.left = after;
    pthread_mutex_unlock(&disk.lock);
}

void power_fail(power_from from, uint64_t after)
{
    aim(from, after, false);
}

void power_kill(power_from from, uint64_t after)
{
    aim(from, after, true);
}

bool power_failed(void)
{
    pthread_mutex_lock(&disk.lock);
    bool off = disk.off;
    pthread_mutex_unlock(&disk.lock);
    return off;
}

static void find_survivors(void)
{
    for (size_t i = 0; i < disk.n_names; i++) disk.names[i].now = disk.names[i].disk;
    for (inode *f = disk.inodes; f; f = f->next) {
        assign(&f->now, &f->disk);
        f->has_wal = false;
    }
    for (size_t i = 0; i < disk.n_names; i++) see_wal(disk.names[i].path, disk.names[i].now != NULL);
}

bool power_return(void)
{
    pthread_mutex_lock(&disk.lock);
    bool was_gone = !disk.kills;
    if (was_gone) find_survivors();
    disk.off = false;
    pthread_mutex_unlock(&disk.lock);
    return was_gone;
}

void power_refuse(uint64_t after, bool full)
{
    pthread_mutex_lock(&disk.lock);
    disk.refuse_left = after;
    disk.full = full;
    disk.refusing = disk.refused = false;
    pthread_mutex_unlock(&disk.lock);
}

bool power_refused(void)
{
    pthread_mutex_lock(&disk.lock);
    bool refused = disk.refused;
    pthread_mutex_unlock(&disk.lock);
    return refused;
}

power_count power_counted(void)
{
    pthread_mutex_lock(&disk.lock);
    power_count count = disk.count;
    pthread_mutex_unlock(&disk.lock);
    return count;
}
#endif
