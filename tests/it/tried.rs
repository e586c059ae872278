//! What pgstow was tried on: databases that hold everything PostgreSQL has, very many or very large things
//! or nothing at all, and every pair of majors, those that go together and those that do not.

mod everything;
mod extensions;
mod majors;
mod names;
mod oracle;
mod scene;
mod sizes;
