//! An estimate of how long a function takes to compile.
//!
//! Most of the time is the register allocator's, which grows with the square of what is alive at once and of the places
//! where control or registers change hands. The terms are simple, and each is fitted to the dearest functions that were
//! found for it; what compilers make of people's code is estimated at several times its real cost.

use wasmparser::{
    BlockType, ContType, FrameKind, FuncType, ModuleArity, Operator, RefType, SubType,
};

/// Cost of a function, however short.
const FUNCTION_NS: u64 = 100_000;
/// Cost of any operator.
const OPERATOR_NS: u64 = 5_000;
/// Cost of a call, on top of that of its operator.
const CALL_NS: u64 = 10_000;
/// Cost of an operator for which a function of the engine is called, or the type of a function is compared, on top.
const HELPED_NS: u64 = 130_000;
/// Cost of a target of a table of branches, on top.
const TARGET_NS: u64 = 10_000;
/// Cost of each parameter and result of a block: they are copied at its borders.
const BLOCK_VALUE_NS: u64 = 25_000;
/// Cost of each value alive at a call.
const CALLED_NS: u64 = 100;
/// Cost of each value alive at a branch, for each place it may go to.
const BRANCHED_NS: u64 = 5_000;
/// Cost of each value alive at a loop, for each loop around it.
const LOOPED_NS: u64 = 1_500;
/// Cost of each pair of calls.
const CALL_PAIR_NS: u64 = 40;
/// Cost of each pair of branches.
const BRANCH_PAIR_NS: u64 = 100;
/// Cost of each pair of different targets of tables, in picoseconds.
const TARGET_PAIR_PS: u64 = 2_500;
/// Cost of each pair of loops.
const LOOP_PAIR_NS: u64 = 500;
/// Cost of each pair of operands alive at once.
const OPERAND_PAIR_NS: u64 = 100;

/// What is known of a function so far.
pub(super) struct Effort<'m> {
    types: &'m [SubType],
    functions: &'m [u32],
    /// Local variables and parameters.
    variables: u64,
    /// Cost of the operators so far.
    ns: u64,
    calls: u64,
    branches: u64,
    targets: u64,
    loops: u64,
    /// Operands alive, and the most there were.
    operands: u64,
    operands_max: u64,
    blocks: Vec<Block>,
    /// Loops that are open.
    loop_depth: u64,
}

struct Block {
    ty: BlockType,
    kind: FrameKind,
    /// Operands below the block's parameters.
    below: u64,
}

impl<'m> Effort<'m> {
    pub(super) fn new(
        types: &'m [SubType],
        functions: &'m [u32],
        function: usize,
        locals: u64,
    ) -> Effort<'m> {
        let mut effort = Effort {
            types,
            functions,
            variables: locals,
            ns: FUNCTION_NS,
            calls: 0,
            branches: 0,
            targets: 0,
            loops: 0,
            operands: 0,
            operands_max: 0,
            blocks: Vec::new(),
            loop_depth: 0,
        };
        // A type that is not there is for the validator to refuse.
        let ty = functions.get(function).copied();
        let ty = ty.map_or(BlockType::Empty, BlockType::FuncType);
        let (params, _) = effort.arity(ty);
        effort.variables += params;
        // The function itself is a block, and takes its parameters as variables.
        effort.blocks.push(Block {
            ty,
            kind: FrameKind::Block,
            below: 0,
        });
        effort
    }

    /// Blocks that are open.
    pub(super) fn depth(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// The estimate, in microseconds.
    pub(super) fn us(&self) -> u64 {
        let square = |n: u64| n.saturating_mul(n);
        let pairs = [
            square(self.calls + self.loops).saturating_mul(CALL_PAIR_NS),
            square(self.branches).saturating_mul(BRANCH_PAIR_NS),
            square(self.targets).saturating_mul(TARGET_PAIR_PS) / 1000,
            square(self.loops).saturating_mul(LOOP_PAIR_NS),
            square(self.operands_max).saturating_mul(OPERAND_PAIR_NS),
        ];
        pairs.into_iter().fold(self.ns, u64::saturating_add) / 1000
    }

    /// Adds one more operator.
    pub(super) fn add(&mut self, operator: &Operator<'_>) {
        self.ns = self
            .ns
            .saturating_add(OPERATOR_NS + self.extra_ns(operator));
        // An operator of a proposal that is off is for the validator to refuse.
        let (takes, gives) = operator.operator_arity(self).unwrap_or((0, 0));
        self.operands = self.operands.saturating_sub(takes.into());
        match operator {
            Operator::Block { blockty } => self.enter(*blockty, FrameKind::Block),
            Operator::Loop { blockty } => self.enter(*blockty, FrameKind::Loop),
            Operator::If { blockty } => self.enter(*blockty, FrameKind::If),
            Operator::Else => self.operands = self.blocks.last().map_or(0, |block| block.below),
            Operator::End => self.leave(),
            _ => {}
        }
        self.operands += u64::from(gives);
        self.operands_max = self.operands_max.max(self.operands);
    }

    fn alive(&self) -> u64 {
        self.variables + self.operands
    }

    fn extra_ns(&mut self, operator: &Operator<'_>) -> u64 {
        use Operator as Op;
        match operator {
            Op::Call { .. } | Op::ReturnCall { .. } => {
                self.calls += 1;
                CALL_NS + CALLED_NS * self.alive()
            }
            Op::Br { .. } | Op::BrIf { .. } | Op::If { .. } => {
                self.branches += 1;
                BRANCHED_NS * self.alive()
            }
            Op::BrTable { targets } => {
                let listed = u64::from(targets.len()) + 1;
                let different = listed.min(self.depth());
                self.targets += different;
                TARGET_NS * listed + BRANCHED_NS * different * self.alive()
            }
            Op::CallIndirect { .. }
            | Op::ReturnCallIndirect { .. }
            | Op::MemoryGrow { .. }
            | Op::MemoryInit { .. }
            | Op::MemoryCopy { .. }
            | Op::MemoryFill { .. }
            | Op::DataDrop { .. }
            | Op::TableInit { .. }
            | Op::TableCopy { .. }
            | Op::TableFill { .. }
            | Op::TableGet { .. }
            | Op::TableSet { .. }
            | Op::TableGrow { .. }
            | Op::ElemDrop { .. }
            | Op::RefFunc { .. } => {
                self.calls += 1;
                HELPED_NS + CALLED_NS * self.alive()
            }
            _ => 0,
        }
    }

    fn enter(&mut self, ty: BlockType, kind: FrameKind) {
        let (params, results) = self.arity(ty);
        self.ns += BLOCK_VALUE_NS * (params + results);
        if kind == FrameKind::Loop {
            self.loops += 1;
            self.loop_depth += 1;
            let alive = self.alive() + params;
            self.ns = self.ns.saturating_add(LOOPED_NS * alive * self.loop_depth);
        }
        self.blocks.push(Block {
            ty,
            kind,
            below: self.operands,
        });
    }

    /// Ends the innermost block. Its operands are gone, whatever an unreachable end left on the stack.
    fn leave(&mut self) {
        let Some(block) = self.blocks.pop() else {
            return;
        };
        self.operands = block.below;
        if block.kind == FrameKind::Loop {
            self.loop_depth -= 1;
        }
    }

    fn arity(&self, ty: BlockType) -> (u64, u64) {
        let (params, results) = self.block_type_arity(ty).unwrap_or((0, 0));
        (params.into(), results.into())
    }
}

impl ModuleArity for Effort<'_> {
    fn sub_type_at(&self, ty: u32) -> Option<&SubType> {
        self.types.get(ty as usize)
    }
    fn type_index_of_function(&self, function: u32) -> Option<u32> {
        self.functions.get(function as usize).copied()
    }
    fn control_stack_height(&self) -> u32 {
        self.blocks.len() as u32
    }
    fn label_block(&self, depth: u32) -> Option<(BlockType, FrameKind)> {
        let place = self.blocks.len().checked_sub(depth as usize + 1)?;
        self.blocks.get(place).map(|block| (block.ty, block.kind))
    }
    // Tags and continuations are of proposals that are off.
    fn tag_type_arity(&self, _: u32) -> Option<(u32, u32)> {
        None
    }
    fn func_type_of_cont_type(&self, _: &ContType) -> Option<&FuncType> {
        None
    }
    fn sub_type_of_ref_type(&self, _: &RefType) -> Option<&SubType> {
        None
    }
}
