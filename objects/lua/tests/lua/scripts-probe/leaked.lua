-- Two helpers the original's set.lua left in the table of globals, for the recording that lists it.
function union() end
function intersection() end
