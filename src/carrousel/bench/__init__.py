"""The benchmark: Carrousel and its peers in turn, in one process, on the same numbers, held against float64.

cases       what is measured, and how fast it must be
workload    a case with numbers: parameters, inputs, the definition's result in float64
peers/      one file a peer, imported when it is asked for
measure     pairs of calls -> Row
report      rows -> a table, JSON, a table for the README
"""

from carrousel.bench.cases import CASES as CASES
from carrousel.bench.cases import Case as Case
from carrousel.bench.measure import measure as measure
from carrousel.bench.peers import PEERS as PEERS
from carrousel.bench.row import Row as Row
