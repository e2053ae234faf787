//! Walking the numbers of an event, so that each is spelled out in one place.

/// A walk over named numbers: `None` was not measured.
pub type Visit<'a> = dyn FnMut(&'static str, Option<f64>) + 'a;
/// The same walk with the right to change the numbers.
pub(super) type VisitMut<'a> = dyn FnMut(&'static str, &mut Option<f64>) + 'a;

/// Gives an event `visit` and `visit_mut` over the numbers of its `[parts]`, its own and, for
/// `visit` only, its `counts`, which are integers and so always finite.
macro_rules! numbers {
    ($event:ty: $([$part:ident])* $($number:ident)* $(; counts $($count:ident)+)?) => {
        numbers!($event, "": $([$part])* $($number)* $(; counts $($count)+)?);
    };
    ($event:ty, $prefix:literal: $([$part:ident])* $($number:ident)* $(; counts $($count:ident)+)?) => {
        impl $event {
            /// Calls `f` with each measured number under its name in the file.
            pub fn visit(&self, f: &mut $crate::run::Visit<'_>) {
                $(self.$part.visit(f);)*
                $(f(concat!($prefix, stringify!($number)), self.$number);)*
                $($(f(stringify!($count), self.$count.map(|count| count as f64));)+)?
            }

            pub(in crate::run) fn visit_mut(
                &mut self,
                f: &mut $crate::run::numbers::VisitMut<'_>,
            ) {
                $(self.$part.visit_mut(f);)*
                $(f(concat!($prefix, stringify!($number)), &mut self.$number);)*
            }
        }
    };
}

pub(super) use numbers;
