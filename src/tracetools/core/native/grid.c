/* The moments at which samples are due: the counterpart of sampling/grid.py. */

#include "sampler.h"

#ifdef HAVE_SAMPLER

/* Mix a number well: splitmix64, by Steele, Lea and Flood (2014). */
static uint64_t
mixed(uint64_t number)
{
    number += 0x9E3779B97F4A7C15;
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9;
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB;
    return number ^ (number >> 31);
}

/* The cell that a moment lies in. */
static int64_t
cell_of(const Grid *grid, int64_t moment)
{
    return moment < grid->start ? -1 : (moment - grid->start) / grid->interval;
}

/* The moment of a cell. */
static int64_t
moment_of(const Grid *grid, int64_t cell)
{
    uint64_t chance = mixed(grid->seed ^ (uint64_t)cell) % (uint64_t)grid->interval;
    return grid->start + cell * grid->interval + (int64_t)chance;
}

int64_t
moments_until(const Grid *grid, int64_t moment)
{
    int64_t cell = cell_of(grid, moment);
    return cell < 0 ? 0 : cell + (moment_of(grid, cell) <= moment);
}

int64_t
next_moment(const Grid *grid, int64_t now)
{
    int64_t cell = cell_of(grid, now);
    int64_t moment = cell < 0 ? moment_of(grid, 0) : moment_of(grid, cell);
    return moment > now ? moment : moment_of(grid, cell + 1);
}

#endif
