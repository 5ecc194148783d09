"""Eight numbers at a time, in the registers of the processor, for loops that Numba compiles.

Numba leaves loops over ten topics to scalar instructions, and keeps what they add up in memory: too
short for one vectoriser of LLVM, and the other is switched off. `Lanes` say it instead. LLVM makes
of them what the processor has, registers of eight or less.

Loops are kept compiled until their own file changes: after a change here delete what is kept, in
__pycache__ or where NUMBA_CACHE_DIR says.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

LANES = 8
_Emitted = tuple[Any, Callable[..., Any]]


class Lanes(types.Type):  # type: ignore[misc]
    """The type of eight floating numbers of one precision."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


@register_model(Lanes)
class _Vector(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        number = manager.lookup(lanes.dtype).get_value_type()
        super().__init__(manager, lanes, ir.VectorType(number, LANES))


def _place(context: Any, builder: Any, array: Any, value: Any, index: Any) -> tuple[Any, Any]:
    """Return the address of eight entries of a contiguous array, and what lies there."""
    vector = ir.VectorType(context.get_value_type(array.dtype), LANES)
    first = context.make_array(array)(context, builder, value).data
    return builder.bitcast(builder.gep(first, [index]), ir.PointerType(vector)), vector


def _shuffled(builder: Any, a: Any, b: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), LANES), order))


def _broadcast(builder: Any, number: Any, vector: Any) -> Any:
    undefined, zero = ir.Constant(vector, ir.Undefined), ir.Constant(ir.IntType(32), 0)
    return _shuffled(builder, builder.insert_element(undefined, number, zero), undefined, [0] * 8)


def _load(builder: Any, place: Any, vector: Any, dtype: Any) -> Any:
    return builder.load(place, align=dtype.bitwidth // 8, typ=vector)


@intrinsic  # type: ignore[untyped-decorator]
def load(_context: Any, array: Any, _index: Any) -> _Emitted:
    """Return the entries index, ..., index + 7 of a contiguous array of one dimension."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place, vector = _place(context, builder, signature.args[0], *values)
        return _load(builder, place, vector, array.dtype)

    return Lanes(array.dtype)(array, types.intp), emit


@intrinsic  # type: ignore[untyped-decorator]
def store(_context: Any, lanes: Any, array: Any, _index: Any) -> _Emitted:
    """Write the entries index, ..., index + 7 of a contiguous array of one dimension."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place, _ = _place(context, builder, signature.args[1], *values[1:])
        builder.store(values[0], place, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(lanes, array, types.intp), emit


@intrinsic  # type: ignore[untyped-decorator]
def zeros(_context: Any, array: Any) -> _Emitted:
    """Return eight zeros of the precision of an array."""
    lanes = Lanes(array.dtype)

    def emit(context: Any, _builder: Any, _signature: Any, _values: Any) -> Any:
        return ir.Constant(context.get_value_type(lanes), [0.0] * LANES)

    return lanes(array), emit


@intrinsic  # type: ignore[untyped-decorator]
def add_product(_context: Any, total: Any, weight: Any, lanes: Any) -> _Emitted:
    """Return total + weight * lanes; the weight is a number or lanes."""
    return _with_product("fadd", total, weight, lanes)


@intrinsic  # type: ignore[untyped-decorator]
def subtract_product(_context: Any, total: Any, weight: Any, lanes: Any) -> _Emitted:
    """Return total - weight * lanes; the weight is a number or lanes."""
    return _with_product("fsub", total, weight, lanes)


def _with_product(instruction: str, total: Any, weight: Any, lanes: Any) -> _Emitted:
    def emit(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        base, factor, other = values
        if not isinstance(weight, Lanes):
            factor = _broadcast(builder, factor, other.type)
        product = builder.fmul(factor, other, flags=("contract",))
        return getattr(builder, instruction)(base, product, flags=("contract",))

    return lanes(total, weight if isinstance(weight, Lanes) else lanes.dtype, lanes), emit


@intrinsic  # type: ignore[untyped-decorator]
def inverse(_context: Any, lanes: Any) -> _Emitted:
    """Return 1 / lanes."""

    def emit(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.fdiv(ir.Constant(values[0].type, [1.0] * LANES), values[0])

    return lanes(lanes), emit


@intrinsic  # type: ignore[untyped-decorator]
def greater(_context: Any, lanes: Any, other: Any) -> _Emitted:
    """Return the greater of each pair; the first where it is no number."""

    def emit(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.select(builder.fcmp_unordered(">", *values), *values)

    return lanes(lanes, other), emit


@intrinsic  # type: ignore[untyped-decorator]
def transpose(
    _context: Any, source: Any, _i: Any, _step: Any, target: Any, _j: Any, _target_step: Any
) -> _Emitted:
    """Write eight rows of eight entries, from i on and a step apart, as columns from j on."""

    def emit(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        a, i, step, b, j, target_step = values
        rows = []
        for _ in range(LANES):
            place, vector = _place(context, builder, source, a, i)
            rows.append(_load(builder, place, vector, source.dtype))
            i = builder.add(i, step)
        for distance in (1, 2, 4):
            rows = _exchanged(builder, rows, distance)
        for row in rows:
            place, _ = _place(context, builder, target, b, j)
            builder.store(row, place, align=target.dtype.bitwidth // 8)
            j = builder.add(j, target_step)
        return context.get_dummy_value()

    steps = (types.intp, types.intp)
    return types.void(source, *steps, target, *steps), emit


def _exchanged(builder: Any, rows: list[Any], distance: int) -> list[Any]:
    """Exchange the blocks of this size beside the diagonals of blocks twice as large."""
    numbers = range(LANES)
    upper = [e if not e & distance else e - distance + LANES for e in numbers]
    lower = [e + distance if not e & distance else e + LANES for e in numbers]
    rows = list(rows)
    for i in numbers:
        if not i & distance:
            a, b = rows[i], rows[i + distance]
            rows[i] = _shuffled(builder, a, b, upper)
            rows[i + distance] = _shuffled(builder, a, b, lower)
    return rows
